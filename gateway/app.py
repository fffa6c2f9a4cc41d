"""The composition root: builds every part once and wires them together. It holds no logic.

Nothing here waits for a model: the workers load while the gateway already answers.
"""

from __future__ import annotations

import shutil
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from gateway.api import (
    admin,
    audio,
    chat,
    completions,
    embeddings,
    errors,
    health,
    kept_responses,
    mcp,
    messages,
    models,
    page,
    recent,
    rerank,
    responses,
    speech,
    status,
    tokenize,
    usage,
)
from gateway.api.auth import Authenticate
from gateway.api.door import Doorway
from gateway.api.edge import BodyLimit, RequestBoundary
from gateway.api.node import Node
from gateway.bus.router import Router
from gateway.lifespan import Source, lifespan
from gateway.mcp.servers import ToolServers
from gateway.media.load import MediaLoader
from gateway.metrics import Metrics
from gateway.responses.service import Responses
from gateway.routing.dispatch import Dispatcher
from gateway.routing.registry import Registry
from gateway.supervisor.fleet import Fleet
from gateway.tenancy import keyfile
from gateway.tenancy import ledger as ledgers
from gateway.tenancy.current import current
from gateway.tenancy.ledger import Ledger
from gateway.tenancy.ring import KeyRing
from shared.channel import make_endpoint
from shared.config import Environment, NodeConfig
from shared.detect import detect_kind

SURFACES = (
    chat,
    completions,
    responses,
    kept_responses,
    messages,
    mcp,
    audio,
    speech,
    embeddings,
    rerank,
    models,
    tokenize,
    usage,
    admin,
    health,
    status,
    recent,
    page,
)

FleetFactory = Callable[[NodeConfig, Environment, Router, Dispatcher, Registry], Fleet]


def make_fleet(
    config: NodeConfig, environment: Environment, router: Router, dispatcher: Dispatcher, registry: Registry
) -> Fleet:
    return Fleet(
        config,
        router=router,
        dispatcher=dispatcher,
        registry=registry,
        log_level=environment.log_level,
        log_style=environment.log_style,
        log_file=environment.log_file,
    )


def create_app(
    config: NodeConfig,
    environment: Environment,
    *,
    source: Source | None = None,
    fleet_factory: FleetFactory = make_fleet,
) -> FastAPI:
    """The application; `app.state.node` holds its parts. Raises ConfigError when the socket can't be placed.

    `source` makes the configuration anew, for a reload.
    """
    endpoint, folder = make_endpoint(environment.runtime_dir)
    router = Router(endpoint)
    remove = weakref.finalize(router, shutil.rmtree, folder, ignore_errors=True)  # also of an app that never ran
    state = Path(config.node.state_dir).expanduser()
    ring = KeyRing(config.keys, state / keyfile.NAME)
    ledger = Ledger(state / ledgers.NAME, config.node.usage_retention, time.time)
    registry = Registry.from_config(config, detect_kind, int(time.time()), lambda name: current().may_use(name))
    metrics = Metrics(registry.kind_of)
    dispatcher = Dispatcher(router, list(config.models), config.server.queue, observer=metrics)
    fleet = fleet_factory(config, environment, router, dispatcher, registry)
    metrics.watch(lambda: fleet.snapshot().workers)
    metrics.watch_memory(lambda: fleet.snapshot())
    media = MediaLoader(config.media, config.server.max_body)
    tool_servers, kept = ToolServers(config.mcp), Responses.build(state)
    node = Node(
        config, registry, dispatcher, fleet, metrics, own_version(), media, tool_servers, kept, ring=ring, ledger=ledger
    )
    return build_http(node, lifespan(node, router, source or Source(lambda: config), remove))


def build_http(node: Node, lifespan: Callable[[FastAPI], AsyncIterator[None]] | None = None) -> FastAPI:
    """The HTTP side around a node: routes, error shapes, and the layers of the edge, outermost last."""
    app = FastAPI(
        title="mlx-gateway",
        version=node.version,
        summary="A team's models behind one OpenAI- and Anthropic-compatible address.",
        lifespan=asynccontextmanager(lifespan) if lifespan is not None else None,
    )
    app.state.node = node
    errors.install(app)
    for surface in SURFACES:
        app.include_router(surface.router)
    server = node.config.server
    app.add_middleware(BodyLimit, limit=server.max_body)
    app.add_middleware(Authenticate, ring=node.ring, ledger=node.ledger, failures=node.failures)
    app.add_middleware(Doorway, door=node.door)
    if server.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(server.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(RequestBoundary, on_response=node.metrics.on_response)
    return app


def own_version() -> str:
    try:
        return version("mlx-gateway")
    except PackageNotFoundError:  # a checkout that was not installed
        return "0"
