from __future__ import annotations

import json

import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gateway.api.errors import error_response, install
from shared.errors import (
    Cancelled,
    ContextLengthExceeded,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
    PoisonRequest,
    UnsupportedParameter,
    WorkerLost,
)
from tests.fakes.asgi import Exchange


@pytest.mark.parametrize(
    ("kind", "status", "type_", "code"),
    [
        (InvalidRequest, 400, "invalid_request_error", "invalid_value"),
        (UnsupportedParameter, 400, "invalid_request_error", "unsupported_parameter"),
        (ContextLengthExceeded, 400, "invalid_request_error", "context_length_exceeded"),
        (ModelNotFound, 404, "not_found_error", "model_not_found"),
        (PayloadTooLarge, 413, "invalid_request_error", "payload_too_large"),
        (Overloaded, 429, "rate_limit_error", "overloaded"),
        (Cancelled, 499, "client_closed_request", "cancelled"),
        (InternalError, 500, "server_error", "internal_error"),
        (ModelUnavailable, 503, "service_unavailable", "model_unavailable"),
        (WorkerLost, 503, "service_unavailable", "worker_lost"),
        (DeadlineExceeded, 504, "timeout_error", "deadline_exceeded"),
    ],
)
def test_the_shape_of_every_error(kind, status, type_, code):
    response = error_response(kind("what happened", param="x"))
    assert response.status_code == status
    assert json.loads(response.body) == {
        "error": {"message": "what happened", "type": type_, "param": "x", "code": code}
    }


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (Overloaded("x", retry_after=2.1), "3"),
        (Overloaded("x"), "1"),
        (ModelUnavailable("x", retry_after=0.0), "1"),
        (WorkerLost("x", retry_after=60), "60"),
        (InvalidRequest("x"), None),
    ],
)
def test_retry_after(error, wanted):
    assert error_response(error).headers.get("retry-after") == wanted


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (PoisonRequest("x"), "false"),
        (ModelUnavailable("x", retry_after=601), "false"),
        (ModelUnavailable("x", retry_after=60), None),
        (ModelUnavailable("x"), None),
        (Overloaded("x", retry_after=3600), None),
    ],
)
def test_what_no_retry_can_mend_says_so(error, wanted):
    assert error_response(error).headers.get("x-should-retry") == wanted


@pytest.fixture
def app():
    made = FastAPI()
    install(made)

    @made.get("/number")
    async def number(count: int) -> int:
        return count

    @made.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "the detail", {"retry-after": "5", "x-secret": "1"})

    return made


async def test_fastapis_validation_is_a_400(app):
    done = await Exchange(app, "/number", method="GET").run()
    error = json.loads(done.body)["error"]
    assert (done.status, error["param"], error["type"]) == (400, "count", "invalid_request_error")


async def test_an_unknown_route(app):
    done = await Exchange(app, "/nowhere", method="GET").run()
    error = json.loads(done.body)["error"]
    assert (done.status, error["code"]) == (404, "not_found")
    assert "GET /nowhere" in error["message"]


async def test_a_wrong_method_says_which_are_allowed(app):
    done = await Exchange(app, "/number", method="DELETE").run()
    assert (done.status, json.loads(done.body)["error"]["code"]) == (405, "method_not_allowed")
    assert done.headers["allow"] == "GET"


async def test_other_http_errors_keep_their_status(app):
    done = await Exchange(app, "/teapot", method="GET").run()
    assert (done.status, json.loads(done.body)["error"]["type"]) == (418, "invalid_request_error")
    assert done.headers["retry-after"] == "5"
    assert "x-secret" not in done.headers
