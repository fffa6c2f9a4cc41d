"""`/v1/status` as a client reads it: only what the terminal shows, tolerant of fields that are absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.hosting import state_folder
from gateway.tenancy.keyfile import read_local
from shared.config import Environment
from shared.errors import MlxGatewayError

TIMEOUT = 5.0  # seconds for one answer
_FAILED = ("crashed", "backoff", "quarantined")


class NodeUnreachable(MlxGatewayError):
    """No node answers under the URL; the message says what happened."""


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """Memory in bytes; `fraction` of the load stage, 0 to 1."""

    name: str
    kind: str
    state: str
    stage: str
    fraction: float | None
    error: str
    running: int
    room: int
    queued: int
    tokens_per_second: float
    memory: int
    budget: int
    restarts: int

    @property
    def settled(self) -> bool:
        """It takes requests, or won't without an operator."""
        return self.state in ("ready", "quarantined")

    @property
    def words(self) -> str:
        """What it is doing, or what went wrong."""
        if self.state in _FAILED:
            return f"{self.state}: {self.error}" if self.error else self.state
        return self.stage or self.state


def root_of(url: str) -> str:
    """The node's address as its paths are appended to it; people copy it with `/v1` too."""
    return url.rstrip("/").removesuffix("/v1")


def fetch(url: str, key: str | None = None) -> dict[str, Any]:
    """Asks a node for its status. Raises NodeUnreachable."""
    return ask("GET", url, "/v1/status", key, TIMEOUT)


def ask(
    method: str, url: str, path: str, key: str | None, timeout: float | None = TIMEOUT, body: Any = None
) -> dict[str, Any]:
    """A node's answer to a command, a JSON object; `timeout` in seconds, `body` is sent as JSON.

    Raises NodeUnreachable with its own words.
    """
    import httpx

    address = root_of(url) + path
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.request(method, address, timeout=timeout, trust_env=False, headers=headers, json=body)
        if answer.is_client_error or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise NodeUnreachable(str(answer.json()["error"]["message"]))
        answer.raise_for_status()
        found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        raise NodeUnreachable(f"no answer from {url}: {error}") from error
    if not isinstance(found, dict):
        raise NodeUnreachable(f"no answer from {url}: it is not an object")
    return found


def own_key(environment: Environment) -> str | None:
    """A command's key: the environment's, or the one that a node on this machine left for its user."""
    return environment.api_key or read_local(state_folder(None, environment)[0])


def worker_lines(status: Mapping[str, Any]) -> list[WorkerLine]:
    return [_line(worker) for worker in status.get("workers") or ()]


def _line(worker: Mapping[str, Any]) -> WorkerLine:
    stats = worker.get("stats") or {}
    stage, detail = worker.get("stage") or "", worker.get("detail") or ""
    return WorkerLine(
        name=str(worker.get("name")),
        kind=worker.get("kind") or "",
        state=str(worker.get("state")),
        stage=f"{stage} {detail}".strip(),
        fraction=worker.get("fraction"),
        error=worker.get("last_error") or "",
        running=worker.get("open_requests") or 0,
        room=worker.get("max_inflight") or 0,
        queued=worker.get("queued") or 0,
        tokens_per_second=worker.get("tokens_per_second") or 0.0,
        memory=stats.get("active_bytes") or worker.get("weight_bytes") or 0,
        budget=worker.get("memory_budget") or 0,
        restarts=worker.get("restarts") or 0,
    )
