"""The tools: what each does in a partition, one JSON object out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import orjson

from keyledger.adapters.tools.arguments import (
    DeleteArguments,
    GetArguments,
    HistoryArguments,
    IncrementArguments,
    ListArguments,
    RestoreArguments,
    SetArguments,
    ToolArguments,
)
from keyledger.domain.errors import InvalidArgumentError, KeyNotFoundError, ValueTooLargeError
from keyledger.domain.kv import Partition
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG, Permission
from keyledger.domain.records import Entry, Version
from keyledger.domain.toolset import Result


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


def _history(partition: Partition, given: HistoryArguments) -> Result:
    page = partition.history(given.key, scope=given.scope, limit=given.limit, before=given.before)
    if not page.items and not partition.history(given.key, scope=given.scope, limit=1).items:
        raise KeyNotFoundError(given.key, given.scope)
    versions = [_version(version) for version in page]
    return {"scope": given.scope, "key": given.key, "versions": versions, "next": page.next}


def _restore(partition: Partition, given: RestoreArguments) -> Result:
    """Bring a value back; where there was none nothing is done, as a model that means to delete would say so."""
    assert given.to is not None  # noqa: S101 - checked with the arguments
    then = partition.at(given.to, scope=given.scope)
    if then.get(given.key, scope=given.scope) is None:
        raise KeyNotFoundError(given.key, given.scope, str(then))
    entry = partition.restore(
        given.key, then, scope=given.scope, if_revision=given.if_revision, request_id=given.request_id
    )
    return {"ok": True, "scope": given.scope, "key": given.key} if entry is None else _written(entry)


def _written(entry: Entry) -> Result:
    answer: Result = {"ok": True, "scope": entry.scope, "key": entry.key}
    return answer | _content(entry)


def _content(entry: Entry) -> Result:
    content: Result = {"value": entry.value, "revision": entry.revision}
    return content if entry.ttl_seconds is None else content | {"ttl_seconds": entry.ttl_seconds}


def _version(version: Version) -> Result:
    said: Result = {
        "revision": version.revision,
        "operation": version.operation,
        "recorded_at": version.recorded_at.isoformat(),
        "changed_by": version.changed_by,
        "run_id": version.run_id,
    }
    if version.size:
        said["value"] = version.value
    if version.expires_at is not None:
        said["expires_at"] = version.expires_at.isoformat()
    return said


def _check_length(partition: Partition, value: Any) -> None:
    """Refuse what is too long before anything looks inside it; the domain measures what is JSON again."""
    cap = partition.max_value_bytes
    try:
        size = len(orjson.dumps(value))
    except TypeError:
        return
    if size > cap:
        raise ValueTooLargeError(size, cap)


Run: TypeAlias = Callable[[Partition, Any], Result]


class ToolSpec(NamedTuple):
    """A tool: what models are told of it, its arguments, what does it, and what it asks for."""

    description: str
    arguments: type[ToolArguments]
    run: Run
    permission: Permission
    requires_flags: tuple[str, ...]

    @property
    def writes(self) -> bool:
        """Whether it may change anything."""
        return self.permission.writes


def _reading(description: str, arguments: type[ToolArguments], run: Run) -> ToolSpec:
    return ToolSpec(description, arguments, run, _READING, (ACCESS_FLAG,))


def _writing(description: str, arguments: type[ToolArguments], run: Run) -> ToolSpec:
    return ToolSpec(description, arguments, run, _WRITING, (ACCESS_FLAG, WRITE_FLAG))


_READING = Permission("anyone", "caller", safe_for_share=True, categories=("storage", "read"))
_WRITING = Permission("anyone", "caller", safe_for_share=True, categories=("storage", "write"))

TOOLS = {
    "kv_get": _reading("Read the value that is stored under a key.", GetArguments, _get),
    "kv_set": _writing(
        "Store a JSON value under a key, in place of what was there; with ttl_seconds it expires.",
        SetArguments,
        _set,
    ),
    "kv_delete": _writing("Delete a key and its value.", DeleteArguments, _delete),
    "kv_increment": _writing(
        "Add to an integer that is stored under a key, atomically; a missing key is created.",
        IncrementArguments,
        _increment,
    ),
    "kv_list": _reading(
        "List keys with their values in the order of the keys, a page at a time.", ListArguments, _list
    ),
    "kv_history": _reading(
        "List what was done to a key, newest first: each change with its revision, time, author and value.",
        HistoryArguments,
        _history,
    ),
    "kv_restore": _writing(
        "Store again the value that a key had at an earlier revision.", RestoreArguments, _restore
    ),
}


def spec_of(tool: object) -> ToolSpec:
    """The tool of that name; InvalidArgumentError names those that there are."""
    spec = TOOLS.get(tool) if type(tool) is str else None
    if spec is None:
        raise InvalidArgumentError("tool", tool, ", ".join(TOOLS))
    return spec
