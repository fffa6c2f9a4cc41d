"""The composition root: builds every part once and wires them together. It holds no logic.

Nothing here waits for a model: the workers load while the gateway already answers.
"""

from __future__ import annotations

import asyncio
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
    audio,
    chat,
    embeddings,
    errors,
    health,
    messages,
    models,
    rerank,
    speech,
    status,
    tokenize,
    usage,
)
from gateway.api.auth import Authenticate
from gateway.api.edge import BodyLimit, RequestBoundary
from gateway.api.node import Node
from gateway.bus.router import Router
from gateway.media.load import MediaLoader
from gateway.metrics import Metrics
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


def create_app(config: NodeConfig, environment: Environment, *, fleet_factory: FleetFactory = make_fleet) -> FastAPI:
    """The application; `app.state.node` holds its parts. Raises ConfigError when the socket can't be placed."""
    endpoint, folder = make_endpoint(environment.runtime_dir)
    router = Router(endpoint)
    remove = weakref.finalize(router, shutil.rmtree, folder, ignore_errors=True)  # also of an app that never ran
    state = Path(config.node.state_dir).expanduser()
    ring = KeyRing(config.keys, state / keyfile.NAME)
    ledger = Ledger(state / ledgers.NAME, config.node.usage_retention, time.time)
    registry = Registry.from_config(config, detect_kind, int(time.time()), lambda name: current().may_use(name))
    metrics = Metrics(lambda model: registry[model].kind)
    dispatcher = Dispatcher(router, list(config.models), config.server.queue, observer=metrics)
    fleet = fleet_factory(config, environment, router, dispatcher, registry)
    metrics.watch(lambda: fleet.snapshot().workers)
    media = MediaLoader(config.media, config.server.max_body)
    node = Node(config, registry, dispatcher, fleet, metrics, own_version(), media, ring, ledger)
    return build_http(node, _lifespan(node, router, remove))


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
    for surface in (chat, messages, audio, speech, embeddings, rerank, models, tokenize, usage, health, status):
        app.include_router(surface.router)
    server = node.config.server
    app.add_middleware(BodyLimit, limit=server.max_body)
    app.add_middleware(Authenticate, ring=node.ring, ledger=node.ledger)
    if server.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(server.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(RequestBoundary, on_response=node.metrics.on_response)
    return app


def _lifespan(node: Node, router: Router, remove: Callable[[], object]) -> Callable[[FastAPI], AsyncIterator[None]]:
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        router.start()
        node.ring.open_local()
        if node.ledger is not None:
            node.ring.restore(node.ledger.tokens_since)
            node.ledger.start()
        watching = asyncio.create_task(node.ring.watch(), name="keys")
        try:
            node.fleet.start()
            yield
        finally:
            watching.cancel()
            await node.fleet.stop()
            await router.close()
            if node.ledger is not None:
                node.ledger.close()
            remove()

    return lifespan


def own_version() -> str:
    try:
        return version("mlx-gateway")
    except PackageNotFoundError:  # a checkout that was not installed
        return "0"
