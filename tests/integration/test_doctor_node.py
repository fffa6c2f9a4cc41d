"""`mlx-gateway doctor` against a real node: both sides of the measurement work. How fast is not asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.integration.node import DEMO_CHAT, Node


def test_the_node_and_the_shell_are_measured(node: Node) -> None:
    command = [sys.executable, "-m", "gateway", "doctor", DEMO_CHAT, "--url", node.url, "--json"]
    environment = os.environ | {"MLX_GATEWAY_STATE_DIR": str(node.state)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode in (0, 1), done.stderr
    findings = {one["matter"]: one for one in json.loads(done.stdout)["findings"]}
    assert findings["configuration"]["level"] == "ok"
    assert f"a node answers at {node.url}" in findings["address"]["words"]
    assert "in the node" in findings["speed"]["words"]
    assert "in this shell" in findings["speed"]["words"]
    assert "not measured" not in findings["speed"]["words"]
