"""Counts what demo-whisper transcribes word for word, and writes a few spoken phrases for the tests.

python -m scripts.demo.evaluate_whisper configs/demo/demo-whisper [--save]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.demo.data_whisper import PHRASES, SAVED
from scripts.demo.speak import FORMATS, encoded, spoken
from shared.messages import Blob, Segment, Transcribe, Transcribed
from shared.spec import WorkerSpec
from workers.transcription.engine import TranscriptionEngine

TESTS = Path(__file__).parents[2] / "tests" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate demo-whisper.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--save", action="store_true", help="write the phrases of the test-suite")
    options = parser.parse_args()
    engine = TranscriptionEngine()
    engine.load(WorkerSpec("demo-whisper", 1, "", str(options.folder), kind="stt"), lambda *_: None)
    rng = np.random.default_rng(1)
    works, wanted = [], {}
    for index, phrase in enumerate(PHRASES):
        voice = spoken(phrase.text, phrase.voice)
        for name in FORMATS:
            lead = np.zeros(rng.integers(0, 24000), np.float32)
            data = encoded(np.concatenate([lead, voice * np.float32(rng.uniform(0.4, 1))]), name)
            request = f"{index}-{name}"
            works.append(Transcribe(request, Blob(data)))
            wanted[request] = (phrase.text, phrase.language)
            if phrase.english:
                works.append(Transcribe(f"{request}-t", Blob(data), "translate", prompt="Never give up."))
                wanted[f"{request}-t"] = (phrase.english, phrase.language)
    found = transcripts(engine, works)
    wrong = [(name, wanted[name], found[name]) for name in wanted if wanted[name] != found[name]]
    print(f"{len(wanted) - len(wrong)} of {len(wanted)} exact")
    for line in wrong[:20]:
        print(*line)
    if options.save:
        save()


def transcripts(engine: TranscriptionEngine, works: Sequence[Transcribe]) -> dict[str, tuple[str, str]]:
    """The text and the language of each, all together."""
    texts: dict[str, str] = {work.request: "" for work in works}
    languages: dict[str, str] = {}
    for work in works:
        engine.admit(engine.prepare(work, ()))
    while engine.busy:
        for delta in engine.step():
            if isinstance(delta, Segment):
                texts[delta.request] += delta.text
            elif isinstance(delta, Transcribed):
                languages[delta.request] = delta.language
    return {request: (text.strip(), languages[request]) for request, text in texts.items()}


def save() -> None:
    """Small files with their texts, so that the tests need no voice."""
    (TESTS / "audio").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, index in enumerate(SAVED):
        phrase = PHRASES[index]
        name = f"phrase{number}.{'ogg' if number % 2 else 'mp3'}"
        data = encoded(spoken(phrase.text, phrase.voice), name.split(".")[1])
        (TESTS / "audio" / name).write_bytes(data)
        lines.append({"file": name, "language": phrase.language, "text": phrase.text, "english": phrase.english})
    text = json.dumps(lines, ensure_ascii=False, indent=2)
    (TESTS / "demo_whisper.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
