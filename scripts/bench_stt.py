"""Eight transcriptions together against one after another, in process, on one model folder.

    python scripts/bench_stt.py [FOLDER] [--files 8] [--rounds 5]

Prints the seconds of both and their ratio (wanted: 0.5 or less), how many times faster than real time, and the ratio of
the CPU time, which a busy machine doesn't blur. Files are prepared on threads, as in a worker; they are the spoken
phrases of the test-suite. On Linux the CPU's BLAS matters; see scripts/demo/train_chat.py.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from shared.messages import Blob, Finished, Transcribe, Transcribed  # noqa: E402
from shared.spec import WorkerSpec  # noqa: E402
from workers.preprocess import Prepared, Preprocessor  # noqa: E402
from workers.transcription.engine import TranscriptionEngine  # noqa: E402


def listen(engine: TranscriptionEngine, works: list[Transcribe]) -> float:
    """Hears all of them together, prepared as the runtime does it; returns the seconds of sound."""
    inbox: SimpleQueue[Prepared] = SimpleQueue()
    pool = Preprocessor(engine.prepare, inbox.put, engine.preprocess_threads)
    for ticket, work in enumerate(works):
        pool.submit(ticket, work, ())
    seconds, waiting, ended = 0.0, len(works), 0
    while ended < len(works):
        deltas: list[Any] = []
        while waiting and (not engine.busy or not inbox.empty()):
            deltas += engine.admit(inbox.get().value)
            waiting -= 1
        deltas += engine.step()
        seconds += sum(delta.duration for delta in deltas if isinstance(delta, Transcribed))
        ended += sum(isinstance(delta, Finished) for delta in deltas)
    pool.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=str(ROOT / "configs" / "demo" / "demo-whisper"))
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sounds = [path.read_bytes() for path in sorted((ROOT / "tests" / "data" / "audio").glob("phrase*"))]
    engine = TranscriptionEngine()
    engine.load(WorkerSpec("bench", 1, "", options.folder, kind="stt"), lambda *_: None)
    works = [Transcribe(f"{n}", Blob(sounds[n % len(sounds)])) for n in range(options.files)]
    together, alone, processor, sound = [], [], [], 0.0
    for number in range(options.rounds + 1):
        began, spent = time.perf_counter(), time.process_time()
        sound = listen(engine, works)
        middle, half = time.perf_counter(), time.process_time()
        for work in works:
            listen(engine, [work])
        if number:  # the first round warms up
            together.append(middle - began)
            alone.append(time.perf_counter() - middle)
            processor.append((half - spent) / (time.process_time() - half))
    ratio = statistics.median(a / b for a, b in zip(together, alone, strict=True))
    print(f"{options.files} files, {sound:.1f} s of sound, {options.rounds} rounds, {Path(options.folder).name}")
    for name, values in (("one after another", alone), ("together", together)):
        median = statistics.median(values)
        print(f"  {name:18} {median:6.3f} s  ({min(values):.3f} to {max(values):.3f}), {sound / median:.0f}x real time")
    print(f"  together/one after another {ratio:.2f}, of CPU time {statistics.median(processor):.2f}")
    engine.close()


if __name__ == "__main__":
    main()
