"""Changes as users see them."""

from __future__ import annotations

from datetime import UTC

from keyledger.domain.partition import (
    KeyDeleted,
    KeyEvent,
    KeyIncremented,
    KeySet,
    PartitionEvent,
    operation_of,
)
from keyledger.domain.ports import JSONCodec, StoredVersion
from keyledger.domain.records import Version


def version_of(codec: JSONCodec, stored: StoredVersion) -> Version:
    """A version of a key, by its row: one event may have ended many keys."""
    row, event = stored
    return _version(codec, event, row.scope, row.key, row.operation)


def version_of_event(codec: JSONCodec, event: PartitionEvent) -> Version:
    """What an event changed; scope and key are empty where that is not one key, but the whole partition."""
    scope, key = (event.scope, event.key) if isinstance(event, KeyEvent) else ("", "")
    return _version(codec, event, scope, key, operation_of(event))


def _version(codec: JSONCodec, event: PartitionEvent, scope: str, key: str, operation: str) -> Version:
    held = event if isinstance(event, KeySet | KeyIncremented) else None
    return Version(
        scope,
        key,
        event.originator_version,
        operation,
        None if held is None else codec.decode(held.value),
        0 if held is None else len(held.value),
        event.recorded_at.astimezone(UTC),
        None if held is None or held.expires_at is None else held.expires_at.astimezone(UTC),
        event.changed_by,
        event.run_id,
        event.root_run_id,
        event.tool,
        event.request_id,
        event.restored_from if isinstance(event, KeySet | KeyDeleted) else None,
        event.copied_from if isinstance(event, KeySet) else None,
    )
