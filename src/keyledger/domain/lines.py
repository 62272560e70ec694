"""A change as a line of JSON: what an export writes and an import reads.

``op`` says what is done, ``set`` unless given. ``set``, ``increment``, ``delete`` and ``expire`` are of a key, and
name it with ``scope`` (``skill`` unless given) and ``key``; ``quota``, ``delete_partition``, ``fork`` and
``fork_completed`` are of a partition. Every line names its ``partition``, but for a ``root_run:`` scope, which
belongs to none; a fork of a dispatch tree names that. ``actor``, ``run_id``, ``root_run_id``, ``tool`` and
``recorded_at`` say who did it, where and when.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, assert_never

from keyledger.domain import arguments
from keyledger.domain.commands import (
    Action,
    Attribution,
    BeginFork,
    ChangeQuota,
    CompleteFork,
    Copy,
    Delete,
    DeletePartition,
    Increment,
    PartitionCommand,
    Restore,
    Set,
)
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.partition import (
    ForkCompleted,
    KeyDeleted,
    KeyEvent,
    KeyExpired,
    KeyIncremented,
    KeySet,
    PartitionDeleted,
    PartitionEvent,
    PartitionForked,
    QuotaChanged,
)
from keyledger.domain.ports import JSONCodec
from keyledger.domain.quota import UNBOUND
from keyledger.domain.scope import (
    MAX_ID_BYTES,
    ROOT_RUN_PARTITION,
    SKILL,
    STREAM_PREFIX,
    check_key,
    check_scope,
    check_text,
    is_tree,
    partition_stream,
    stream_of,
    tree_scope,
)
from keyledger.domain.values import check_value, parse_json

_COMMON = {"partition", "op", "actor", "run_id", "root_run_id", "tool", "recorded_at"}
_KEY = {"scope", "key"}
_TTL = {"ttl", "expires_at"}
_OPERATIONS = {
    "set": _KEY | _TTL | {"value", "restored_from", "copied_from"},
    "increment": _KEY | _TTL | {"value", "delta"},
    "delete": _KEY | {"restored_from"},
    "expire": _KEY,
    "quota": {"max_bytes"},
    "fork": {"scope", "source", "revision", "judged_at"},
    "fork_completed": {"scope"},
    "delete_partition": set[str](),
}
_FIELDS = _COMMON.union(*_OPERATIONS.values())
_MAX_NAME_BYTES = len(ROOT_RUN_PARTITION) + 1 + MAX_ID_BYTES


# --------------------------------------------------------------------------------------------- writing


def line_of(event: PartitionEvent, codec: JSONCodec) -> str:
    """The line of an event, without a line feed at its end; its value stands there as it is stored."""
    fields: dict[str, Any] = {}
    if is_tree(event.originator_id):
        fields["scope"] = tree_scope(event.originator_id)
    else:
        fields["partition"] = event.originator_id.removeprefix(STREAM_PREFIX)
    if isinstance(event, KeyEvent):
        fields |= {"scope": event.scope, "key": event.key}
    fields |= _told(event)
    if not isinstance(event, KeyExpired):
        fields["actor"] = event.changed_by
    fields |= {"run_id": event.run_id, "root_run_id": event.root_run_id, "tool": event.tool}
    fields["recorded_at"] = event.recorded_at.isoformat()
    head = codec.encode({name: value for name, value in fields.items() if value is not None}).decode()
    return f'{head[:-1]},"value":{event.value.decode()}}}' if isinstance(event, KeySet | KeyIncremented) else head


def _told(event: PartitionEvent) -> dict[str, Any]:
    """The operation, and the fields of its own."""
    told: dict[str, Any]
    match event:
        case KeySet():
            told = {"op": "set", "expires_at": _text(event.expires_at)}
            told |= {"restored_from": event.restored_from, "copied_from": event.copied_from}
        case KeyIncremented():
            told = {"op": "increment", "delta": event.delta, "expires_at": _text(event.expires_at)}
        case KeyDeleted():
            told = {"op": "delete", "restored_from": event.restored_from}
        case KeyExpired():
            told = {"op": "expire"}
        case QuotaChanged():
            told = {"op": "quota", "max_bytes": event.max_bytes}
        case PartitionForked():
            told = {"op": "fork", "source": event.source, "revision": event.revision}
            told["judged_at"] = _text(event.judged_at)
        case ForkCompleted():
            told = {"op": "fork_completed"}
        case PartitionDeleted():
            told = {"op": "delete_partition"}
        case _:
            assert_never(event)
    return told


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


# --------------------------------------------------------------------------------------------- reading


def command_of(text: str, request_id: str, engine: Engine) -> tuple[str, PartitionCommand]:
    """The stream that a line is for, and its command.

    Raises:
        InvalidArgumentError: the line is not of its form.
    """
    fields = parse_json(text, "line", envelope=1)
    if not isinstance(fields, dict):
        raise InvalidArgumentError("line", fields, "a JSON object")
    for field in fields.keys() - _FIELDS:
        raise InvalidArgumentError("line", field, f"the fields {', '.join(sorted(_FIELDS))}")
    by = _attribution(fields, request_id, engine.clock.now())
    stream, action = _stream(fields), _action(fields, by.recorded_at, engine.codec)
    return stream, PartitionCommand(action, by, UNBOUND if isinstance(action, Copy) else engine.limits(stream))


def _stream(fields: dict[str, Any]) -> str:
    scope = fields.get("scope", SKILL)
    check_scope(scope)
    if scope.startswith("root_run:") and "partition" not in fields:
        return stream_of("", scope)
    return stream_of(partition_stream(_required(fields, "partition")), scope)


def _attribution(fields: dict[str, Any], request_id: str, now: datetime) -> Attribution:
    actor, run_id, root_run_id = fields.get("actor"), fields.get("run_id"), fields.get("root_run_id")
    tool = fields.get("tool", "import")
    arguments.check_actor(actor)
    arguments.check_run("run_id", run_id)
    arguments.check_run("root_run_id", root_run_id)
    arguments.check_name("tool", tool)
    recorded_at = _moment(fields, "recorded_at")
    if recorded_at is not None and recorded_at > now + arguments.MAX_CLOCK_SKEW:
        allowed = f"a time at most {arguments.MAX_CLOCK_SKEW.seconds} s ahead of the clock"
        raise InvalidArgumentError("recorded_at", fields["recorded_at"], allowed)
    return Attribution(request_id, actor, run_id, root_run_id, tool, recorded_at)


def _action(fields: dict[str, Any], recorded_at: datetime | None, codec: JSONCodec) -> Action:
    operation = fields.get("op", "set")
    if type(operation) is not str or operation not in _OPERATIONS:
        raise InvalidArgumentError("op", operation, f"one of {', '.join(_OPERATIONS)}")
    for field in fields.keys() - _COMMON - _OPERATIONS[operation]:
        if fields[field] is not None:
            raise InvalidArgumentError(field, fields[field], f"nothing, as {operation} takes none")
    if not _OPERATIONS[operation] >= _KEY:
        return _whole(fields, operation)
    scope, key = fields.get("scope", SKILL), _required(fields, "key")
    check_key(key)
    restored_from = _revision(fields, "restored_from")
    if operation in {"delete", "expire"}:  # what has expired by then, a delete ends as expired
        if restored_from is not None:
            return Restore(scope, key, None, None, restored_from)
        return Delete(scope, key)
    value, ttl = _required(fields, "value"), _ttl(fields, recorded_at)
    if operation == "increment":
        return _increment(fields, value, ttl)
    check_value(value)
    return _put(fields, Set(scope, key, codec.encode(value), ttl), restored_from)


def _put(fields: dict[str, Any], action: Set, restored_from: int | None) -> Action:
    """What gives a key its value: a plain set, or what restored or copied it."""
    put, copied_from = action[:4], _revision(fields, "copied_from")
    if restored_from is not None:
        return Restore(*put, restored_from)
    return action if copied_from is None else Copy(*put, copied_from)


def _whole(fields: dict[str, Any], operation: str) -> Action:
    """What is done to a partition as a whole."""
    match operation:
        case "quota":
            return _quota(fields)
        case "fork":
            return _fork(fields)
        case "fork_completed":
            return CompleteFork(None)
        case _:
            return DeletePartition()


def _fork(fields: dict[str, Any]) -> BeginFork:
    source: Any = fields.get("source")
    revision: Any = fields.get("revision")
    judged_at = _moment(fields, "judged_at")
    check_text("source", source, _MAX_NAME_BYTES)
    arguments.check_integer("revision", revision, 0)
    if judged_at is None:
        raise InvalidArgumentError("judged_at", None, "given in every fork")
    return BeginFork(source, revision, judged_at)


def _revision(fields: dict[str, Any], field: str) -> int | None:
    revision: int | None = fields.get(field)
    arguments.check_revision(field, revision)
    return revision


def _quota(fields: dict[str, Any]) -> ChangeQuota:
    max_bytes = fields.get("max_bytes")
    if max_bytes is not None:
        arguments.check_integer("max_bytes", max_bytes, 0)
    return ChangeQuota(max_bytes)


def _increment(fields: dict[str, Any], value: Any, ttl: float | timedelta | None) -> Increment:  # noqa: ANN401
    """``value`` is what the increment came to: a missing key begins with what that leaves beside ``delta``."""
    delta = fields.get("delta", 1)
    arguments.check_integer("delta", delta)
    arguments.check_integer("value", value)
    arguments.check_integer("value less delta", value - delta)
    return Increment(fields.get("scope", SKILL), fields["key"], delta, value - delta, ttl)


def _ttl(fields: dict[str, Any], recorded_at: datetime | None) -> float | timedelta | None:
    ttl, expires_at = fields.get("ttl"), _moment(fields, "expires_at")
    if expires_at is None:
        arguments.check_ttl(ttl)
        return ttl
    if ttl is not None:
        raise InvalidArgumentError("ttl", ttl, "nothing beside expires_at")
    if recorded_at is None or expires_at <= recorded_at:
        raise InvalidArgumentError("expires_at", fields["expires_at"], "a time after the line's own recorded_at")
    return expires_at - recorded_at


def _moment(fields: dict[str, Any], field: str) -> datetime | None:
    text = fields.get(field)
    if text is None:
        return None
    try:
        return arguments.utc(datetime.fromisoformat(text))
    except (TypeError, ValueError, OverflowError):
        allowed = "an ISO 8601 time with its offset from UTC, as 2026-01-31T12:00:00Z"
        raise InvalidArgumentError(field, text, allowed) from None


def _required(fields: dict[str, Any], field: str) -> Any:  # noqa: ANN401 - checked by the caller
    if field not in fields:
        raise InvalidArgumentError(field, None, "given in every line (value: in every set)")
    return fields[field]
