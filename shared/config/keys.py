"""Who may use the node: an entry of the YAML's `keys`, and of the file that `mlx-gateway keys` keeps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.config.units import parse_count

TokenCount = Annotated[int, BeforeValidator(parse_count), Field(ge=1)]


class KeyConfig(BaseModel):
    """One key. Only its SHA-256 is kept: keys are 256 random bits, which no one finds by trying."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")
    key_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: Literal["user", "admin"] = "user"
    models: tuple[str, ...] = ("*",)  # globs of the models' names
    mcp: tuple[str, ...] = ("*",)  # globs of the tool servers' names
    weight: float = Field(1.0, gt=0, le=100)
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: TokenCount | None = None
    tokens_per_day: TokenCount | None = None
    parallel: int | None = Field(None, ge=1)
