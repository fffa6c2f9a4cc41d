"""The design's import rules, read from the source: who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODALITIES = ("text", "vision", "transcription", "speech", "embedding")
MODELS = ("mlx", "mlx_lm", "mlx_vlm", "mlx_audio", "mlx_embeddings")
ACTS = ("asyncio", "fastapi", "httpx", "os", "socket", "starlette", "subprocess", "threading", "time", "uvicorn", "zmq")

# (files, what they may not import, where it is allowed all the same)
RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("shared", ("gateway", "workers"), ()),
    ("gateway", ("workers", "transformers", "numpy", "PIL"), ()),
    ("workers", ("gateway",), ()),
    (".", ("zmq",), ("shared/channel.py", "gateway/bus", "workers/link", "tests", "scripts")),
    (".", MODELS, ("workers", "tests", "scripts")),
    ("gateway/dialects", ACTS, ()),
    ("gateway/routing/fairness.py", ACTS, ()),
    ("gateway/supervisor/placement.py", ACTS, ()),
    ("gateway/supervisor/pressure.py", ACTS, ()),
    *((f"workers/{one}", tuple(f"workers.{other}" for other in MODALITIES if other != one), ()) for one in MODALITIES),
)


def sources(below: str) -> Iterator[Path]:
    start = ROOT / below
    found = [start] if start.is_file() else sorted(start.rglob("*.py"))
    made = (".", "build")  # environments, what scripts fetched
    return (path for path in found if not any(part.startswith(made) for part in path.relative_to(ROOT).parts[:-1]))


def imports(source: str) -> set[str]:
    """The absolute modules that a source imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def offences(source: str, forbidden: tuple[str, ...]) -> set[str]:
    return {name for name in imports(source) if any(f"{name}.".startswith(f"{what}.") for what in forbidden)}


def is_below(path: str, places: tuple[str, ...]) -> bool:
    return any(path in (place, f"{place}.py") or path.startswith(f"{place}/") for place in places)


@pytest.mark.parametrize(("below", "forbidden", "allowed"), RULES)
def test_rule(below: str, forbidden: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    found = []
    for path in sources(below):
        name = path.relative_to(ROOT).as_posix()
        if not is_below(name, allowed):
            found += [f"{name} imports {what}" for what in offences(path.read_text(encoding="utf-8"), forbidden)]
    assert found == []


def test_only_the_configuration_reads_the_environment() -> None:
    readers = []
    for package in ("gateway", "workers", "shared"):
        for path in sources(package):
            tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            reads = any(isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in tree)
            if reads and not is_below(path.relative_to(ROOT).as_posix(), ("shared/config",)):
                readers.append(path.name)
    assert readers == []


def test_the_rules_see_every_way_to_import() -> None:
    source = "import zmq.asyncio\ndef f():\n    from workers import text\n    import mlxish"
    assert offences(source, ("zmq", "workers.text", "mlx")) == {"zmq.asyncio", "workers.text"}
