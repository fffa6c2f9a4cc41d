"""faster-whisper's transcripts of the same weights: `build/real/reference/whisper.json`, language and text a file.

    python -m scripts.real_weights.references whisper

Greedy and in float32, as the node transcribes; its own voice detector is off.
"""

from __future__ import annotations

from typing import Any

from faster_whisper import WhisperModel

from scripts.real_weights.build import CTRANSLATE2
from scripts.real_weights.catalogue import MODELS, REFERENCE
from scripts.real_weights.folder import save_json


def main() -> None:
    if not (CTRANSLATE2 / "model.bin").is_file():
        return
    model = WhisperModel(str(CTRANSLATE2), device="cpu", compute_type="float32", cpu_threads=1)
    found: dict[str, Any] = {}
    for path in sorted(MODELS.glob("clips/*/*.wav")) + sorted(MODELS.glob("sounds/*.wav")):
        segments, about = model.transcribe(str(path), beam_size=1)
        text = "".join(segment.text for segment in segments).strip()
        found[path.relative_to(MODELS).as_posix()] = {"language": about.language, "text": text}
    save_json(REFERENCE / "whisper.json", found)
