"""Actions from the arguments that users pass, checked."""

from __future__ import annotations

from keyledger.domain import arguments
from keyledger.domain.commands import Delete, Increment, Set
from keyledger.domain.ports import JSONCodec
from keyledger.domain.scope import check_key, check_scope
from keyledger.domain.values import JSONValue, check_value


def set_action(
    codec: JSONCodec, key: str, value: JSONValue, scope: str, ttl: float | None, if_revision: int | None
) -> Set:
    """A Set; InvalidArgumentError names the first argument that is not allowed."""
    check_key(key)
    check_scope(scope)
    check_value(value)
    if ttl is not None:
        ttl = _seconds(ttl)
    if if_revision is not None:
        arguments.check_revision("if_revision", if_revision)
    return Set(scope, key, codec.encode(value), ttl, if_revision)


def increment_action(
    key: str, delta: int, initial_value: int, scope: str, ttl: float | None, if_revision: int | None
) -> Increment:
    """An Increment; InvalidArgumentError names the first argument that is not allowed."""
    check_key(key)
    check_scope(scope)
    arguments.check_integer("delta", delta)
    arguments.check_integer("initial_value", initial_value)
    if ttl is not None:
        ttl = _seconds(ttl)
    arguments.check_revision("if_revision", if_revision)
    return Increment(scope, key, delta, initial_value, ttl, if_revision)


def delete_action(key: str, scope: str, if_revision: int | None) -> Delete:
    """A Delete; InvalidArgumentError names the first argument that is not allowed."""
    check_key(key)
    check_scope(scope)
    arguments.check_revision("if_revision", if_revision)
    return Delete(scope, key, if_revision)


def _seconds(ttl: float) -> float:
    """60 and 60.0 are one ttl, also to a request id's fingerprint."""
    arguments.check_ttl(ttl)
    return float(ttl)
