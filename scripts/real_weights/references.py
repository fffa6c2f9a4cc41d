"""Asks independent engines what the weights answer: `build/real/reference`; what is up to date stays.

    python -m scripts.real_weights.references [numpy] [llama] [whisper]

An engine that isn't installed is left out, in words.
"""

from __future__ import annotations

import hashlib
import importlib
import sys

from scripts.real_weights.catalogue import HERE, MODELS, REFERENCE


def main(names: list[str]) -> None:
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name in names:
        mark, wanted = REFERENCE / f".{name}", stamp()
        if mark.is_file() and mark.read_text() == wanted:
            continue
        try:
            engine = importlib.import_module(f"scripts.real_weights.reference_{name}")
        except ImportError as error:
            print(f"Nothing is compared with {name}: {error}", file=sys.stderr)
            continue
        engine.main()
        mark.write_text(wanted)


def stamp() -> str:
    """Changes with the models and with this code."""
    digest = hashlib.sha256()
    for path in [*sorted(HERE.glob("*.py")), *sorted(MODELS.glob("*/.stamp"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:] or ["numpy", "llama", "whisper"])
