"""What FastAPI can't see by itself: routes read their bodies on their own, the schema still describes them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def json_body(schema: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` for a route whose JSON body is described by `schema`."""
    content = {"application/json": {"schema": _inline(schema.model_json_schema())}}
    return {"requestBody": {"required": True, "content": content}}


def form_body(schema: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` for a route that reads an uploaded `file` beside the fields of `schema`."""
    described = _inline(schema.model_json_schema())
    described["properties"] = {"file": {"type": "string", "format": "binary"}} | described["properties"]
    described["required"] = ["file"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": described}}}}


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions put in place: OpenAPI's references can't point inside a request body."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(definitions[node["$ref"].rsplit("/", 1)[-1]])
        if "mapping" in node.get("discriminator", {}):
            node = {key: value for key, value in node.items() if key != "discriminator"}  # it points to definitions
        return {key: resolve(value) for key, value in node.items()}

    resolved: dict[str, Any] = resolve(schema)
    return resolved
