"""The JSON Schema of a tool's arguments: it takes what the arguments take, null included where that is nothing."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from keyledger.adapters.tools.arguments import ToolArguments


def schema_of(arguments: type[ToolArguments]) -> dict[str, Any]:
    """The schema, as plain as models are used to: no titles, no references, a new one at each call."""
    return deepcopy(_schema(arguments))


@cache
def _schema(arguments: type[ToolArguments]) -> dict[str, Any]:
    fields = arguments.model_json_schema()["properties"]
    required = arguments.required
    return {
        "type": "object",
        "properties": {name: _property(field, required=name in required) for name, field in fields.items()},
        "required": list(required),
        "additionalProperties": False,
    }


def _property(field: dict[str, Any], *, required: bool) -> dict[str, Any]:
    types = [each["type"] for each in field.pop("anyOf", [field]) if each.get("type", "null") != "null"]
    if types:
        field["type"] = types[0] if required else [*types, "null"]
    if required or field["default"] is None:
        field.pop("default", None)
    field.pop("title", None)
    return field
