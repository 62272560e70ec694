"""The tools: what each does in a partition, one JSON object out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from keyledger.adapters.tools.arguments import (
    DeleteArguments,
    GetArguments,
    IncrementArguments,
    ListArguments,
    SetArguments,
    ToolArguments,
)
from keyledger.domain.errors import ValueTooLargeError
from keyledger.domain.kv import Partition
from keyledger.domain.records import Entry
from keyledger.domain.values import JSONValue

Result = dict[str, JSONValue]


def _get(partition: Partition, given: GetArguments) -> Result:
    entry = partition.get(given.key, scope=given.scope)
    answer: Result = {"scope": given.scope, "key": given.key, "found": entry is not None}
    return answer if entry is None else answer | _content(entry)


def _set(partition: Partition, given: SetArguments) -> Result:
    _check_length(partition, given.value)
    entry = partition.set(
        given.key,
        given.value,
        scope=given.scope,
        ttl=given.ttl_seconds,
        if_revision=given.if_revision,
        request_id=given.request_id,
    )
    return _written(entry)


def _increment(partition: Partition, given: IncrementArguments) -> Result:
    entry = partition.increment(
        given.key,
        given.delta,
        initial_value=given.initial_value,
        scope=given.scope,
        ttl=given.ttl_seconds,
        if_revision=given.if_revision,
        request_id=given.request_id,
    )
    return _written(entry)


def _delete(partition: Partition, given: DeleteArguments) -> Result:
    deleted = partition.delete(
        given.key, scope=given.scope, if_revision=given.if_revision, request_id=given.request_id
    )
    return {"ok": True, "scope": given.scope, "key": given.key, "deleted": deleted}


def _list(partition: Partition, given: ListArguments) -> Result:
    page = partition.list(scope=given.scope, prefix=given.prefix, limit=given.limit, after=given.after)
    return {"entries": [{"key": entry.key} | _content(entry) for entry in page], "next": page.next}


def _written(entry: Entry) -> Result:
    answer: Result = {"ok": True, "scope": entry.scope, "key": entry.key}
    return answer | _content(entry)


def _content(entry: Entry) -> Result:
    content: Result = {"value": entry.value, "revision": entry.revision}
    return content if entry.ttl_seconds is None else content | {"ttl_seconds": entry.ttl_seconds}


def _check_length(partition: Partition, value: Any) -> None:
    """Refuse what is too long before anything looks inside it; the domain measures what is JSON again."""
    cap = partition.max_value_bytes
    try:
        size = len(orjson.dumps(value))
    except TypeError:
        return
    if size > cap:
        raise ValueTooLargeError(size, cap)


class Tool(NamedTuple):
    """A tool: the model of its arguments, what does it, and whether that may change anything."""

    arguments: type[ToolArguments]
    run: Callable[[Partition, Any], Result]
    writes: bool


TOOLS = {
    "kv_get": Tool(GetArguments, _get, writes=False),
    "kv_set": Tool(SetArguments, _set, writes=True),
    "kv_delete": Tool(DeleteArguments, _delete, writes=True),
    "kv_increment": Tool(IncrementArguments, _increment, writes=True),
    "kv_list": Tool(ListArguments, _list, writes=False),
}
