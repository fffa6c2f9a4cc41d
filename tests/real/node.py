"""One node with every real model, asked over HTTP; and what its workers cost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from scripts.real_weights.catalogue import MODELS
from tests.integration.node import Node, serve

PATIENCE = 600.0  # seconds for one answer: real models on a CPU that is shared
_TEXT = {"context": 2048, "prefix_cache": "256MB", "max_batch": 8}
_SOURCES = ("smollm2", "smollm2-4bit", "gemma3", "whisper-base", "kokoro", "minilm")


@dataclass(frozen=True)
class Answer:
    """`top`: for each token the log-probabilities of the likeliest by their text."""

    text: str
    finish: str
    prompt_tokens: int
    cached_tokens: int
    tokens: int
    top: tuple[Mapping[str, float], ...] = ()
    calls: tuple[Mapping[str, Any], ...] = ()


class Asker:
    """Greedy requests to one node."""

    def __init__(self, node: Node, client: httpx.Client) -> None:
        self.node = node
        self._client = client

    def chat(self, model: str, *messages: str | Mapping[str, Any], **options: Any) -> Answer:
        """Texts are the user's."""
        told = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
        body = {"model": model, "messages": told, "temperature": 0} | options
        given = self.post("/v1/chat/completions", json=body).json()
        (choice,) = given["choices"]
        message = choice["message"]
        steps = (choice.get("logprobs") or {}).get("content") or ()
        top = tuple({one["token"]: one["logprob"] for one in step["top_logprobs"]} for step in steps)
        return _answer(given, choice, message["content"] or "", top, tuple(message.get("tool_calls") or ()))

    def complete(self, model: str, prompt: str | list[int], **options: Any) -> Answer:
        body = {"model": model, "prompt": prompt, "temperature": 0} | options
        given = self.post("/v1/completions", json=body).json()
        (choice,) = given["choices"]
        return _answer(given, choice, choice["text"], tuple((choice.get("logprobs") or {}).get("top_logprobs") or ()))

    def hear(self, file: Path, **fields: str) -> dict[str, Any]:
        """A transcription as verbose JSON, or in another `response_format` as {"text": ...}."""
        fields = {"response_format": "verbose_json"} | fields
        with file.open("rb") as sound:
            answer = self.post("/v1/audio/transcriptions", files={"file": sound}, data=fields)
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, **request: Any) -> httpx.Response:
        answer = self._client.post(self.node.url + path, timeout=PATIENCE, **request)
        assert answer.status_code == 200, answer.text
        return answer

    def together(self, *calls: Any) -> list[Any]:
        """The results of functions that run at the same time."""
        with ThreadPoolExecutor(len(calls)) as pool:
            return [future.result() for future in [pool.submit(call) for call in calls]]

    def worker(self, model: str) -> dict[str, Any]:
        return self.node.worker(model)

    def cpu_seconds(self, model: str) -> float:
        times = psutil.Process(self.worker(model)["pid"]).cpu_times()
        return float(times.user + times.system)

    def peak_memory(self, model: str) -> int | None:
        """The most that the worker's process ever held, bytes; only Linux tells."""
        status = Path(f"/proc/{self.worker(model)['pid']}/status")
        if not status.is_file():
            return None
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def unload(self, model: str) -> None:
        self.post(f"/v1/models/{model}/unload")


def _answer(
    given: Mapping[str, Any],
    choice: Mapping[str, Any],
    text: str,
    top: tuple[Mapping[str, float], ...],
    calls: tuple[Mapping[str, Any], ...] = (),
) -> Answer:
    usage = given["usage"]
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    finish = choice["finish_reason"]
    return Answer(text, finish, usage["prompt_tokens"], cached, usage["completion_tokens"], top, calls)


@contextmanager
def real_node(folder: Path, whisper_with_silero: Path | None) -> Iterator[Asker]:
    """Everything that was built, loaded when it is first asked."""
    models: dict[str, Any] = {
        name: {"source": str(MODELS / name), "load": "on_demand"} for name in _SOURCES if (MODELS / name).is_dir()
    }
    for name in models.keys() & {"smollm2", "smollm2-4bit", "gemma3"}:
        models[name] |= _TEXT
    if whisper_with_silero is not None:
        models["whisper-silero"] = {"source": str(whisper_with_silero), "load": "on_demand"}
    config = {"node": {"memory_budget": "24GB", "hang_timeout": "10m"}, "models": models}
    path = folder / "node.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(config))))
    with serve(folder / "log", "--config", str(path), ready=False) as node, httpx.Client() as client:
        yield Asker(node, client)
