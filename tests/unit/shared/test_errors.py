"""shared/errors: the tree, its codes, and the way over the wire."""

import pytest

import shared.errors as errors
from shared.errors import InternalError, RequestError, from_code


def request_errors(root: type[RequestError] = RequestError) -> list[type[RequestError]]:
    return [root, *(found for child in root.__subclasses__() for found in request_errors(child))]


@pytest.mark.parametrize("cls", request_errors())
def test_every_error_survives_the_wire(cls: type[RequestError]) -> None:
    sent = cls("too long", param="messages", retry_after=1.5)
    came = from_code(sent.code, sent.message, param=sent.param, retry_after=sent.retry_after)
    assert type(came) is cls
    assert (str(came), came.message, came.param, came.retry_after) == ("too long", "too long", "messages", 1.5)


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in request_errors()]
    assert len(codes) == len(set(codes))


def test_an_unknown_code_is_an_internal_error() -> None:
    assert type(from_code("from the future", "x")) is InternalError


@pytest.mark.parametrize("cls", [cls for cls in request_errors() if cls is not RequestError])
def test_the_docstring_draws_the_tree(cls: type[RequestError]) -> None:
    lines = [line for line in (errors.__doc__ or "").splitlines() if cls.__name__ in line.split()]
    assert len(lines) == 1
    assert lines[0].split()[-2:] == [cls.code, str(cls.status)]
