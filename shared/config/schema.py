"""The shape of the node's YAML. `configs/node.example.yaml` documents every key; a test holds the two together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.config.hosts import AllowedHost
from shared.config.keys import KeyConfig
from shared.config.mcp import McpServer
from shared.config.units import Budget, Duration, Size
from shared.families import ReasoningParserName, ToolParserName
from shared.messages import Kind


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSection(_Section):
    """The HTTP side."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    max_body: Size = 64 * 2**20
    keep_alive: Duration = 5.0  # between SSE comments while a request waits
    request_timeout: Duration = 3600.0
    queue: int = Field(256, ge=0)  # requests that may wait for one model
    cors_origins: tuple[str, ...] = ()


class NodeSection(_Section):
    """The machine."""

    memory_budget: Budget = 0.75
    load_timeout: Duration = 600.0
    load_wait: Duration = 120.0  # that a request without a stream waits for a model to load
    min_residency: Duration = 10.0  # before a model may have to go for another
    hang_timeout: Duration = 120.0
    stop_grace: Duration = 10.0
    state_dir: str = "~/.mlx-gateway"  # what outlives a restart
    usage_retention: Duration = Field(90 * 86400.0, gt=0)  # how long the ledger keeps a request


# YAML reads a bare `off` as false.
Fetch = Annotated[
    Literal["public", "allowlist", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]


class MediaSection(_Section):
    """Images, videos and sound that requests name by URL."""

    fetch: Fetch = "public"
    allow: tuple[AllowedHost, ...] = ()
    max_bytes: Size = Field(32 * 2**20, ge=1)  # of one piece
    timeout: Duration = Field(30.0, gt=0)  # for all fetches of one request


class SamplingDefaults(_Section):
    """Values for requests that name none; vLLM's names."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    max_tokens: int | None = Field(None, ge=1)
    seed: int | None = None


class VideoDefaults(_Section):
    """How videos are sampled for requests that don't say."""

    fps: float = Field(2.0, gt=0, le=60)
    max_frames: int = Field(32, ge=1, le=2048)


Alias = Annotated[str, Field(min_length=1)]


class ModelConfig(_Section):
    """One hosted model; the key in `models` is the id that clients use."""

    source: str = Field(min_length=1)
    kind: Kind | None = None
    aliases: tuple[Alias, ...] = ()
    load: Literal["startup", "on_demand"] = "startup"
    idle_unload: Duration | None = Field(None, gt=0)
    pin: bool = False
    replicas: int = Field(1, ge=1, le=16)
    memory: Size | None = Field(None, ge=1)
    max_batch: int = Field(32, ge=1, le=512)
    context: int | None = Field(None, ge=16)
    prefix_cache: Size = 2 * 2**30
    sampling: SamplingDefaults = SamplingDefaults()
    video: VideoDefaults = VideoDefaults()
    tool_parser: ToolParserName = "auto"
    reasoning_parser: ReasoningParserName = "auto"
    mcp: tuple[str, ...] = ()  # servers of the `mcp` section whose tools every request to this model gets
    trust_remote_code: bool = False


class NodeConfig(_Section):
    """The whole file."""

    server: ServerSection = ServerSection()
    node: NodeSection = NodeSection()
    media: MediaSection = MediaSection()
    keys: tuple[KeyConfig, ...] = ()
    mcp: dict[str, McpServer] = Field(default_factory=dict)
    models: dict[str, ModelConfig] = Field(default_factory=dict)
