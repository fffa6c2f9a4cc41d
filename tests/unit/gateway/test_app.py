from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.app import create_app
from shared.config import Environment, NodeConfig
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import READY, FakeFleet

CONFIG = NodeConfig.model_validate({"models": {"chat": {"source": "x/y", "kind": "llm"}}})


async def test_the_parts_are_built_started_and_stopped(tmp_path):
    made = {}

    def factory(config, environment, router, dispatcher, registry):
        made.update(fleet=FakeFleet(READY), router=router, dispatcher=dispatcher, registry=registry)
        return made["fleet"]

    app = create_app(CONFIG, Environment(runtime_dir=str(tmp_path)), fleet_factory=factory)
    node = app.state.node
    assert (node.config, node.fleet, node.dispatcher) == (CONFIG, made["fleet"], made["dispatcher"])
    assert [entry.name for entry in node.registry] == ["chat"]
    async with app.router.lifespan_context(app):
        assert made["fleet"].calls == ["start"]
        bus = Path(made["router"].endpoint.removeprefix("ipc://"))
        assert bus.is_socket()
        assert (await Exchange(app, "/health", method="GET").run()).status == 200
        metrics = await Exchange(app, "/metrics", method="GET").run()
        assert b'mlx_gateway:model_ready{model="chat"} 1.0' in metrics.body
    assert made["fleet"].calls == ["start", "stop"]
    assert list(tmp_path.iterdir()) == []


def test_the_gateway_imports_nothing_heavy():
    heavy = ("mlx", "transformers", "numpy", "PIL", "openai", "huggingface_hub", "rich", "httpx", "torch")
    code = f"import sys, gateway.app; print([name for name in {heavy!r} if name in sys.modules])"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"


def test_an_app_that_never_runs_leaves_no_socket_folder(tmp_path):
    code = (
        "import sys; from gateway.app import create_app; from shared.config import Environment, NodeConfig;"
        "create_app(NodeConfig(), Environment(runtime_dir=sys.argv[1]))"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=True)
    assert list(tmp_path.iterdir()) == []
