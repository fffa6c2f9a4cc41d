"""The base of request schemas: types are strict, as OpenAI's; unknown fields are tolerated everywhere."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Lenient(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=(), allow_inf_nan=False)
