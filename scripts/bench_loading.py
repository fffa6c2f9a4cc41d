"""How long a resident model's stream pauses while another model loads: the longest gap between two of its events.

    python scripts/bench_loading.py

`resident` streams all the time, `other` is loaded and unloaded again and again.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import httpx

from scripts.bench_node import node

ROUNDS = 4
REST = 3.0  # seconds of streaming alone, before each load
DEMO = Path(__file__).parents[1] / "configs" / "demo" / "demo-chat"


class Resident(threading.Thread):
    """Streams for ever; `moments` are those of its events."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.moments: list[float] = []
        self.over = threading.Event()

    def run(self) -> None:
        words = " ".join(["Hello!"] * 20)
        body = {"model": "resident", "messages": [{"role": "user", "content": words}], "stream": True, "seed": 1}
        body |= {"temperature": 1.5, "max_tokens": 400}
        while not self.over.is_set():
            with httpx.stream("POST", f"{self._url}/v1/chat/completions", json=body, timeout=60) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data:"):
                        self.moments.append(time.perf_counter())


def longest(moments: list[float], start: float, end: float) -> float:
    """The longest gap between events in [start, end], seconds."""
    inside = [start, *(moment for moment in moments if start <= moment <= end), end]
    return max(after - before for before, after in pairwise(inside))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "node.yaml"
        models = {"resident": {"source": str(DEMO)}, "other": {"source": str(DEMO), "load": "on_demand"}}
        file.write_text(json.dumps({"node": {"state_dir": folder}, "models": models}))
        with node("--config", str(file)) as url:
            resident = Resident(url)
            resident.start()
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                time.sleep(REST)
                loading = time.perf_counter()
                httpx.post(f"{url}/v1/models/other/load", timeout=120).raise_for_status()
                loaded = time.perf_counter()
                httpx.post(f"{url}/v1/models/other/unload", timeout=120).raise_for_status()
                alone, beside = (longest(resident.moments, *span) for span in ((begun, loading), (loading, loaded)))
                print(f"longest gap alone {alone * 1000:.0f} ms, while the other loads {beside * 1000:.0f} ms")
            resident.over.set()


if __name__ == "__main__":
    main()
