"""The engines behind the worker's own runtime, found by the kind of their folder, answers through the codec."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from shared.codec import Frame, decode, encode
from shared.messages import (
    Bye,
    Cancel,
    Embed,
    EmbedInput,
    Failed,
    Finished,
    Ready,
    Rerank,
    Scores,
    Stats,
    Step,
    Stop,
    Up,
    Vectors,
)
from shared.spec import WorkerSpec
from tests.unit.workers.embedding.test_crossencoder import Bert
from tests.unit.workers.embedding.tiny import HIDDEN, build
from workers.engines import host
from workers.runtime import Runtime


class Gateway:
    """Sends its work once the worker is ready and stops it when all of it has ended."""

    def __init__(self, *work: Any) -> None:
        self.work = work
        self.answers: dict[str, list[Any]] = {message.request: [] for message in work}
        self.ready: SimpleQueue[Ready] = SimpleQueue()
        self.said_bye = False
        self._open = {message.request for message in work}
        self.runtime: Runtime

    def send(self, message: Up) -> None:
        blobs: list[Frame] = []
        found = decode(encode(message, blobs), blobs)
        if isinstance(found, Ready):
            self.ready.put(found)
            for work in self.work:
                self.runtime.deliver(work)
        if isinstance(found, Step):
            for delta in found.deltas:
                self.answers[delta.request].append(delta)
                if isinstance(delta, Finished | Failed):
                    self._open.discard(delta.request)
            if not self._open:
                self.runtime.deliver(Stop(0.0))
        self.said_bye |= isinstance(found, Bye)

    def publish(self, stats: Stats) -> None:
        return None


def serve(folder: Path, *work: Any) -> Gateway:
    gateway = Gateway(*work)
    gateway.runtime = Runtime(WorkerSpec("e", 1, "ipc://x", str(folder)), host, gateway)
    codes: list[int] = []
    thread = Thread(target=lambda: codes.append(gateway.runtime.run()))  # MLX's streams are a thread's own
    thread.start()
    thread.join(60)
    assert codes == [0]
    assert gateway.said_bye
    return gateway


def test_an_embedding_worker_embeds_ranks_refuses(tmp_path: Path) -> None:
    folder = build("bert", tmp_path)
    (folder / "modules.json").write_text("[]")
    gateway = serve(
        folder,
        Embed("a", (EmbedInput(text="w1"), EmbedInput(text="w2 w3")), 8),
        Rerank("b", "w1", ("w1", "w2")),
        Embed("c", (EmbedInput(text=""),)),
    )
    assert gateway.ready.get().kind == "embedding"
    vectors, finished = gateway.answers["a"]
    assert isinstance(vectors, Vectors)
    assert isinstance(finished, Finished)
    rows = np.frombuffer(vectors.data.data, "<f4").reshape(2, 8)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert isinstance(gateway.answers["b"][0], Scores)
    (failed,) = gateway.answers["c"]
    assert (failed.code, failed.param) == ("invalid_value", "input")


def test_a_cross_encoder_is_detected_and_ranks(tmp_path: Path) -> None:
    folder = build("bert", tmp_path, model=Bert, prefix="bert", architectures=["BertForSequenceClassification"])
    gateway = serve(folder, Rerank("r", "w1", ("w2", "w3", "w4")), Embed("e", (EmbedInput(text="w1"),)))
    assert gateway.ready.get().kind == "reranker"
    ranked, _ = gateway.answers["r"]
    assert len(ranked.scores) == 3
    (failed,) = gateway.answers["e"]
    assert failed.code == "wrong_modality"


def test_a_cancelled_request_ends_once(tmp_path: Path) -> None:
    folder = build("bert", tmp_path)
    long = Embed("long", tuple(EmbedInput(text="w1 w2") for _ in range(500)))

    class Cancelling(Gateway):
        def send(self, message: Up) -> None:
            super().send(message)
            if isinstance(message, Ready):
                self.runtime.deliver(Cancel("long"))

    gateway = Cancelling(long)
    gateway.runtime = Runtime(WorkerSpec("e", 1, "ipc://x", str(folder), kind="embedding"), host, gateway)
    thread = Thread(target=gateway.runtime.run)
    thread.start()
    thread.join(60)
    (failed,) = gateway.answers["long"]
    assert failed.code == "cancelled"
    assert gateway.ready.get().dimensions == HIDDEN
