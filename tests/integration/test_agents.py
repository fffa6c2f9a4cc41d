"""Claude Code, Codex and OpenCode, as npm has them, work on demo-chat: `mlx-gateway launch` starts each with a task
that takes a call of its own file-reading tool, and the result, to be answered. scripts/_agents installs them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.node import Node

INSTALLED = Path(__file__).parents[2] / ".agents" / "node_modules" / ".bin"
TASK = "Read notes.txt and tell me what it says."
PATIENCE = 300.0  # seconds; a run takes a tenth of it
PATHS = os.pathsep.join([str(INSTALLED), os.environ.get("PATH", "")])


@dataclass(frozen=True)
class Run:
    """`endpoint` is where this agent asks; `line` what its file says, another for each: no answer is luck."""

    name: str
    arguments: Sequence[str]
    endpoint: str
    line: str


RUNS = [
    Run("claude", ["-p", TASK], "/v1/messages", "they will be there each time"),
    # The agent's own sandbox takes user namespaces, which containers refuse; the command is `cat notes.txt`.
    Run(
        "codex",
        ["exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", TASK],
        "/v1/responses",
        "meet Anna at the station",
    ),
    Run("opencode", ["run", TASK], "/v1/chat/completions", "bring milk and bread"),
]


# What users may have set up: another service, where nobody answers. `launch` wins, and changes none of it.
ELSEWHERE = "http://127.0.0.1:9"
OPENCODE = {
    "$schema": "https://opencode.ai/config.json",
    "model": "elsewhere/other",
    "provider": {
        "elsewhere": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": ELSEWHERE + "/v1"},
            "models": {"other": {}},
        }
    },
}
CODEX = f"""\
model = "other"
model_provider = "elsewhere"
[model_providers.elsewhere]
name = "elsewhere"
base_url = "{ELSEWHERE}/v1"
wire_api = "responses"
"""
SETTINGS = {
    ".claude/settings.json": json.dumps({"env": {"ANTHROPIC_BASE_URL": ELSEWHERE, "ANTHROPIC_MODEL": "other"}}),
    ".codex/config.toml": CODEX,
    ".config/opencode/opencode.json": json.dumps(OPENCODE),
}


@pytest.fixture
def place() -> Iterator[Path]:
    """Holds `work`, and `home` with settings for other services. Short, as the model copes with little more."""
    with tempfile.TemporaryDirectory(prefix="ag-", ignore_cleanup_errors=True) as found:
        for name, text in SETTINGS.items():
            file = Path(found, "home", name)
            file.parent.mkdir(parents=True)
            file.write_text(text)
        Path(found, "work").mkdir()
        yield Path(found)


def environment(place: Path, node: Node) -> dict[str, str]:
    """Ours without the keys and services of whoever runs the tests. OpenCode believes PWD."""
    foreign = re.compile(
        r"(ANTHROPIC|CLAUDE|OPENAI|CODEX|OPENCODE|XDG|MLX_GATEWAY)_|(http|https|all)_proxy$", re.IGNORECASE
    )
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    home, work = str(place / "home"), str(place / "work")
    return {**kept, "HOME": home, "PATH": PATHS, "PWD": work, "MLX_GATEWAY_URL": node.url}


def launch(node: Node, run: Run, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "launch", run.name, *run.arguments],
        cwd=place / "work",
        env=environment(place, node),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_an_agent_reads_a_file_and_tells_what_it_says(run: Run, node: Node, place: Path) -> None:
    if shutil.which(run.name, path=PATHS) is None:
        pytest.skip(f"{run.name} is not installed; scripts/_agents installs it")
    (place / "work" / "notes.txt").write_text(run.line + "\n")
    before = node.log.stat().st_size
    done = launch(node, run, place)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert run.line in done.stdout, said
    requests = [line for line in node.log.read_bytes()[before:].decode().splitlines() if "  answered  " in line]
    asked = [line for line in requests if f"method=POST path={run.endpoint} " in line]
    assert len(asked) >= 2, requests  # the task, then the tool's result
    assert [line for line in requests if " status=200 " not in line] == []
    assert {name: (place / "home" / name).read_text() for name in SETTINGS} == SETTINGS
