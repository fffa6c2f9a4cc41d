"""The YAML's `mcp` section: the tool servers that requests may name. Only this file says what is started or asked."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.config.units import Duration


class McpServer(BaseModel):
    """A local program (`command`), or an address (`url`); https://modelcontextprotocol.io/specification."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    transport: Literal["http", "sse"] = "http"  # of `url`: streamable HTTP or the older SSE
    headers: dict[str, str] = Field(default_factory=dict)
    tools: tuple[str, ...] | None = None  # names to offer; None: all
    timeout: Duration = Field(60.0, gt=0)  # for one call

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give either 'command' or 'url'")
        return self
