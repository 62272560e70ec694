"""Every setting: its name, type and default, its key in the file, its variables, and what it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from keyledger.adapters.configuration.words import integer, number, text, truth
from keyledger.adapters.stores import MAX_CONNECTIONS
from keyledger.adapters.urls import NOT_SHOWN, seen
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.quota import DEFAULT_QUOTA_BYTES
from keyledger.domain.skills import options
from keyledger.domain.values import MAX_INTEGER

ADAPTER = "*"
"""Stands in a key for the name of the adapter that is configured."""

_STORE, _ADAPTER = "tools.kv_store", f"tools.kv_store.adapters.{ADAPTER}"
_CONNECTIONS = f"an integer from 0 to {MAX_CONNECTIONS}: connections"
_BYTES = "an integer from 0: a number of bytes"
_WORDS = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]


def _setting(default: Any, key: str, allowed: str, read: Any = None, *variables: str, **bounds: Any) -> Any:
    extra = {"key": key, "variables": list(variables), "read": read}
    return Field(default, description=allowed, json_schema_extra=extra, **bounds)


def _variables(name: str) -> tuple[str, str]:
    return f"KEYLEDGER_KV_{name}", f"ATLAS_KV_{name}"


def _of_store(default: Any, key: str, allowed: str, read: Any, variable: str, **bounds: Any) -> Any:
    return _setting(default, f"{_ADAPTER}.{key}", allowed, read, *_variables(variable), **bounds)


def _number(default: int, key: str) -> Any:
    return _setting(default, f"skills.{key}", "an integer from 0, which is the default", ge=0, le=MAX_INTEGER)


def _seconds(default: int, key: str) -> Any:
    allowed = "a number of seconds from 0, which is the default"
    return _setting(default, f"skills.{key}", allowed, ge=0, lt=float("inf"))


def _words(key: str) -> Any:
    return _setting((), f"skills.{key}", "a list of words")


def _tier_quota(tier: str) -> Any:
    return _setting(None, f"skills.tiers.{tier}.quota_bytes", _BYTES, ge=0, le=MAX_INTEGER)


class Fields(BaseModel):
    """The settings, by the names that :func:`keyledger.open` and ``ValidateOptions`` have for them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())

    url: str | None = _setting(
        None,
        f"{_ADAPTER}.url",
        "the URL of a ledger, as postgresql://user@host/db",
        text,
        "KEYLEDGER_URL",
        "KEYLEDGER_KV_STORE_URL",
        "ATLAS_KV_STORE_URL",
        min_length=1,
    )
    reuse_conversation_store: bool | None = _of_store(
        None, "reuse_conversation_store", "true or false", truth, "REUSE_CONVERSATION"
    )
    quota: int | None = _of_store(
        DEFAULT_QUOTA_BYTES,
        "namespace_quota_bytes",
        _BYTES,
        integer,
        "NAMESPACE_QUOTA_BYTES",
        ge=0,
        le=MAX_INTEGER,
    )
    global_quota: int | None = _of_store(
        None, "global_quota_bytes", _BYTES, integer, "GLOBAL_QUOTA_BYTES", ge=0, le=MAX_INTEGER
    )
    pool_size: int = _of_store(0, "pool.size", _CONNECTIONS, integer, "POOL_SIZE", ge=0, le=MAX_CONNECTIONS)
    max_overflow: int = _of_store(
        10, "pool.max_overflow", _CONNECTIONS, integer, "MAX_OVERFLOW", ge=0, le=MAX_CONNECTIONS
    )
    pool_timeout: int | float = _of_store(
        10.0, "pool.timeout", "a number of seconds above 0", number, "POOL_TIMEOUT", gt=0, lt=float("inf")
    )
    enforce_flags: bool = _setting(
        True,  # noqa: FBT003 - a default
        f"{_STORE}.enforce_flags",
        "true or false",
        truth,
        "KEYLEDGER_KV_ENFORCE_FLAGS",
    )

    model_tiers: _WORDS = _words("model_tiers")
    output_kinds: _WORDS = _words("output_kinds")
    input_types: _WORDS = _words("input_types")
    visibilities: _WORDS = _words("visibilities")
    min_interval_minutes: int = _number(options.MIN_INTERVAL_MINUTES, "min_interval_minutes")
    default_max_iterations: int = _number(options.DEFAULT_MAX_ITERATIONS, "tiers.default.max_iterations")
    default_max_tool_calls: int = _number(options.DEFAULT_MAX_TOOL_CALLS, "tiers.default.max_tool_calls")
    default_max_runtime: int | float = _seconds(options.DEFAULT_MAX_RUNTIME, "tiers.default.max_runtime")
    default_quota_bytes: int | None = _tier_quota("default")
    extended_max_iterations: int = _number(options.EXTENDED_MAX_ITERATIONS, "tiers.extended.max_iterations")
    extended_max_tool_calls: int = _number(options.EXTENDED_MAX_TOOL_CALLS, "tiers.extended.max_tool_calls")
    extended_max_runtime: int | float = _seconds(options.EXTENDED_MAX_RUNTIME, "tiers.extended.max_runtime")
    extended_quota_bytes: int | None = _tier_quota("extended")


def key_of(field: FieldInfo, adapter: str) -> tuple[str, ...]:
    """Where a setting stands in the file, level by level."""
    return tuple(adapter if part == ADAPTER else part for part in _extra(field)["key"].split("."))


def keys() -> list[tuple[str, ...]]:
    """Where settings may stand in the file, with ``*`` for the name of an adapter."""
    return [key_of(field, ADAPTER) for field in Fields.model_fields.values()]


def variables_of(field: FieldInfo) -> list[str]:
    """The variables that a setting is read from, the strongest first."""
    return list(_extra(field)["variables"])


def read(field: FieldInfo, value: str) -> Any:
    """What a variable's text says; the text itself where it is not of the form."""
    return _extra(field)["read"](value)


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    assert isinstance(field.json_schema_extra, dict)  # noqa: S101 - _setting makes it so
    return field.json_schema_extra


def check(values: Mapping[str, Any], place: Callable[[str], str]) -> None:
    """Raise InvalidArgumentError for the first value that is not of its form, naming where it comes from."""
    try:
        Fields.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        name = str(found["loc"][0])
        if name not in Fields.model_fields:
            raise InvalidArgumentError(str(seen(name)), NOT_SHOWN, ", ".join(Fields.model_fields)) from None
        raise InvalidArgumentError(
            place(name), seen(values[name], name), str(Fields.model_fields[name].description)
        ) from None
