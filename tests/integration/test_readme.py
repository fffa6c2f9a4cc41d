"""The README's examples work as pasted: only the port is another one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.node import PATIENCE, Node

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)
CURLS = [block for block in re.findall(r"```sh\n(.*?)```", README, re.S) if block.startswith("curl")]


def _here(text: str, node: Node) -> str:
    return text.replace("http://127.0.0.1:8000", node.url)


def test_the_python_examples_run_one_after_the_other(full_node: Node, tmp_path: Path) -> None:
    program = _here("\n".join(PYTHON), full_node).replace('"hello.mp3"', repr(str(tmp_path / "hello.mp3")))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    for said in ("A red circle.", "Each worker owns one model and its batching loop.", "96"):
        assert said in done.stdout
    assert (tmp_path / "hello.mp3").stat().st_size > 1000


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("base64")), reason="needs curl and base64")
@pytest.mark.parametrize("example", CURLS, ids=[re.findall(r"/v1/[\w/]+", block)[0] for block in CURLS])
def test_the_curl_examples_answer(full_node: Node, tmp_path: Path, example: str) -> None:
    command = _here(example, full_node).replace("curl ", "curl --fail-with-body -sS ")
    command = command.replace("hello.mp3", str(tmp_path / "hello.mp3"))
    done = subprocess.run(
        ["bash", "-euc", command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"error"' not in done.stdout
    assert done.stdout or (tmp_path / "hello.mp3").stat().st_size > 1000
