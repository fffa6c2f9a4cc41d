"""The base of request schemas: types are strict, as OpenAI's; unknown fields are tolerated everywhere."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Lenient(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=(), allow_inf_nan=False)


def as_integer(value: Any) -> Any:
    """JSON has one kind of number, and JSON Schema calls 1.0 an integer; what is none stays as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(as_integer)
"""Behind the bounds of an `Annotated[int, …]`, so that they stay in its JSON schema."""
