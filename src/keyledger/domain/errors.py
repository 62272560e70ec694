"""Every error that keyledger raises, under one root.

    KeyledgerError
    ├── InvalidArgumentError            a field, what came, what is allowed
    │   └── ValueSerializationError     not a JSON value, or one that would not survive the round trip
    ├── RefusedError                    the ledger's state or a rule says no; nothing was written
    │   ├── ValueTooLargeError          one value above the cap
    │   ├── QuotaExceededError
    │   │   ├── NamespaceQuotaExceededError   bytes of one partition
    │   │   ├── GlobalQuotaExceededError      bytes of the whole ledger
    │   │   └── KeyCountExceededError         live keys of one partition
    │   ├── InvalidValueTypeError       an increment of something that is not an integer
    │   ├── IntegerOverflowError        an increment past 64 bits
    │   ├── RevisionConflictError       if_revision did not hold
    │   ├── RequestIdReusedError        one request id, two different commands
    │   ├── TimeReversalError           a supplied recorded_at before the partition's last event
    │   ├── ForkIncompleteError         a fork that is still being copied, or was interrupted
    │   ├── PartitionExistsError        a fork into a partition that has a past of its own
    │   ├── ReadOnlyViewError           a write to a view of the past
    │   ├── ScopeAccessError            a tool call outside its invocation's scopes
    │   ├── FlagRequiredError           a tool call whose persona does not grant what the tool asks for
    │   ├── DuplicateRunError           a second start of one run id
    │   ├── DuplicateSequenceError      a second log line under one sequence number
    │   └── InvokeDepthExceededError    runs that call runs, too deep
    ├── KeyNotFoundError
    ├── RevisionNotFoundError           a revision beyond the partition's last
    ├── PredicateError                  what was to tell good from bad raised
    ├── RunNotFoundError                no such run was started, or it was purged
    ├── SkillNotFoundError              no such skill was saved, or not yet
    ├── NotConfiguredError              a tool without a ledger behind it, or an extra that is not installed
    └── StorageError
        ├── StorageUnavailableError     the database cannot be reached; nothing was written
        ├── OutcomeUnknownError         it went away during a commit: written or not
        ├── LedgerBusyError             another writer held the lock for too long
        ├── LedgerClosedError           used after close()
        ├── NewerLedgerError            written by a newer keyledger; upgrade this one
        └── UnreadableError             an event or value that cannot be decrypted or decoded

Each error carries its data as attributes and builds its own message; ``code`` is the stable word that
tools, ``exec`` and ``--json`` answer with.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar


class KeyledgerError(Exception):
    """The root: catch this to catch everything that keyledger raises on purpose."""

    code: ClassVar[str] = "error"


class InvalidArgumentError(KeyledgerError):
    """An argument is outside what is allowed: ``field``, ``got``, ``allowed`` say which, what and why."""

    code = "invalid_argument"

    def __init__(self, field: str, got: object, allowed: str) -> None:
        self.field, self.got, self.allowed = field, got, allowed
        super().__init__(f"{field}: got {shown(got)}; allowed is {allowed}")


class ValueSerializationError(InvalidArgumentError):
    """The value is not JSON, or JSON would alter it. ``field`` is the path inside it, as ``value.a[0]``."""

    code = "invalid_value"


class RefusedError(KeyledgerError):
    """A well-formed command that a rule refuses. Nothing was written."""

    code = "refused"


class ValueTooLargeError(RefusedError):
    """A value's JSON text is longer than the per-value cap; ``size`` and ``max_bytes`` in bytes."""

    code = "value_too_large"

    def __init__(self, size: int, max_bytes: int) -> None:
        self.size, self.max_bytes = size, max_bytes
        super().__init__(f"value exceeds max {max_bytes} bytes (got {size})")


class QuotaExceededError(RefusedError):
    """A write that grows usage would pass a limit: ``used`` now, ``asked`` on top, ``max`` allowed."""

    code = "quota_exceeded"
    what: ClassVar[str] = "quota"
    unit: ClassVar[str] = "bytes"

    def __init__(self, where: str, *, used: int, asked: int, maximum: int) -> None:
        self.where, self.used, self.asked, self.max = where, used, asked, maximum
        super().__init__(
            f"{self.what} of {where} exceeded: {used}/{maximum} {self.unit} used and {asked} more asked; "
            "delete or shrink something, or raise the limit"
        )


class NamespaceQuotaExceededError(QuotaExceededError):
    """The partition's byte quota (or a dispatch tree's cap) would be passed."""

    what = "byte quota"


class GlobalQuotaExceededError(QuotaExceededError):
    """The byte quota of the whole ledger would be passed."""

    code = "global_quota_exceeded"
    what = "global byte quota"


class KeyCountExceededError(QuotaExceededError):
    """The partition would hold more live keys than allowed."""

    code = "key_count_exceeded"
    what = "key limit"
    unit = "keys"


class InvalidValueTypeError(RefusedError):
    """An increment found a value that is not an integer; ``found`` is its JSON type."""

    code = "invalid_value_type"

    def __init__(self, key: str, found: str) -> None:
        self.key, self.found = key, found
        article = "an" if found[0] in "aeiou" else "a"
        super().__init__(
            f"cannot increment {key!r}: it holds {article} {found}, and only an integer can be incremented"
        )


class IntegerOverflowError(RefusedError):
    """An increment would leave the signed 64-bit range."""

    code = "integer_overflow"

    def __init__(self, key: str, value: int, delta: int) -> None:
        self.key, self.value, self.delta = key, value, delta
        super().__init__(f"cannot increment {key!r}: {value} + {delta} leaves the signed 64-bit range")


class RevisionConflictError(RefusedError):
    """``if_revision`` did not hold: ``expected`` was asked, ``found`` stands (0 = the key does not exist)."""

    code = "revision_conflict"

    def __init__(self, key: str, *, expected: int, found: int) -> None:
        self.key, self.expected, self.found = key, expected, found
        super().__init__(
            f"{key!r} is at revision {found}, not {expected}; read it again and decide on what it holds now"
        )


class RequestIdReusedError(RefusedError):
    """The request id was used before, for a command with other content."""

    code = "request_id_reused"

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(f"request id {request_id!r} was used for another command; give each command its own")


class TimeReversalError(RefusedError):
    """A supplied ``recorded_at`` is before the partition's last event."""

    code = "time_reversal"

    def __init__(self, recorded_at: datetime, last: datetime) -> None:
        self.recorded_at, self.last = recorded_at, last
        super().__init__(
            f"recorded_at {recorded_at.isoformat()} is before the partition's last event at {last.isoformat()}; "
            "times never go back within a partition"
        )


class ForkIncompleteError(RefusedError):
    """The partition is a fork that is not finished: it holds a part of what it is a copy of."""

    code = "fork_incomplete"

    def __init__(self, partition: str) -> None:
        self.partition = partition
        super().__init__(
            f"{partition!r} is a fork that is not finished; if nobody is copying any more, fork again with the "
            "same arguments to finish it, or delete the partition"
        )


class PartitionExistsError(RefusedError):
    """A fork into a partition that was used before, or is a fork of something else."""

    code = "partition_exists"

    def __init__(self, partition: str) -> None:
        self.partition = partition
        super().__init__(f"{partition!r} has a past of its own; fork into a partition that was never used")


class ReadOnlyViewError(RefusedError):
    """A write to a view of the past."""

    code = "read_only_view"

    def __init__(self, view: str) -> None:
        self.view = view
        super().__init__(
            f"{view} is a view of the past, which nothing changes; write to the partition, restore, or fork it"
        )


class ScopeAccessError(RefusedError):
    """A tool call names a scope that its invocation may not use."""

    code = "access_denied"

    def __init__(self, scope: str, reason: str) -> None:
        self.scope, self.reason = scope, reason
        super().__init__(f"scope {scope!r} is not yours to use: {reason}")


class FlagRequiredError(RefusedError):
    """A call of ``tool`` whose invocation does not have the flag that it requires."""

    code = "permission_denied"

    def __init__(self, tool: str, flag: str) -> None:
        self.tool, self.flag = tool, flag
        super().__init__(
            f"{tool} needs the flag {flag!r}, which this call does not have; ask an admin to grant it"
        )


class KeyNotFoundError(KeyledgerError):
    """A key that was asked for by name does not exist, or has expired; ``at`` names the moment, if it is past."""

    code = "not_found"

    def __init__(self, key: str, scope: str, at: str | None = None) -> None:
        self.key, self.scope, self.at = key, scope, at
        super().__init__(f"no key {key!r} in scope {scope!r}" + (f" at {at}" if at else ""))


class RevisionNotFoundError(KeyledgerError):
    """A ``revision`` that the partition has not reached; ``head`` is its last."""

    code = "revision_not_found"

    def __init__(self, partition: str, revision: int, head: int) -> None:
        self.partition, self.revision, self.head = partition, revision, head
        super().__init__(f"{partition!r} has no revision {revision}; its last is {head}")


class PredicateError(KeyledgerError):
    """A predicate failed on what stood at ``revision``; the cause says how."""

    code = "predicate_failed"

    def __init__(self, revision: int, cause: Exception) -> None:
        self.revision = revision
        super().__init__(f"the predicate failed at revision {revision}: {type(cause).__name__}: {cause}")


class DuplicateRunError(RefusedError):
    """A run id that is in use, or was before its run was purged."""

    code = "duplicate_run"

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"run {run_id!r} was started before; give each run an id of its own")


class DuplicateSequenceError(RefusedError):
    """A log line under a sequence number that the run has used, or that is too far back to tell."""

    code = "duplicate_sequence"

    def __init__(self, run_id: str, sequence: int) -> None:
        self.run_id, self.sequence = run_id, sequence
        super().__init__(f"sequence {sequence} of run {run_id!r} is taken; leave it out to get the next")


class InvokeDepthExceededError(RefusedError):
    """A run would be ``depth`` calls below its root, and ``max_depth`` is the most."""

    code = "invoke_depth_exceeded"

    def __init__(self, parent_run_id: str, depth: int, max_depth: int) -> None:
        self.parent_run_id, self.depth, self.max_depth = parent_run_id, depth, max_depth
        super().__init__(
            f"a run called by {parent_run_id!r} would be {depth} calls below its root, and at most {max_depth} "
            "are allowed; do runs call each other in a circle?"
        )


class RunNotFoundError(KeyledgerError):
    """No run of this id was started, or, if ``purged``, what it said was taken out of the ledger."""

    code = "run_not_found"

    def __init__(self, run_id: str, *, purged: bool = False) -> None:
        self.run_id, self.purged = run_id, purged
        super().__init__(f"skill run not found: {run_id!r}{' was purged' if purged else ''}")


class SkillNotFoundError(KeyledgerError):
    """No skill of this id was saved, or, where ``at`` is a revision or time, it was only after that."""

    code = "skill_not_found"

    def __init__(self, skill_id: str, at: int | datetime | None = None) -> None:
        self.skill_id, self.at = skill_id, at
        then = at.astimezone(UTC).isoformat() if isinstance(at, datetime) else f"revision {at}"
        super().__init__(
            f"no skill {skill_id!r} was saved" if at is None else f"skill {skill_id!r} was not saved yet at {then}"
        )


class NotConfiguredError(KeyledgerError):
    """Something needed is missing: a ledger behind a tool, or an optional extra."""

    code = "not_configured"


class StorageError(KeyledgerError):
    """The database, or what stands in it, is in the way; ``during`` says of what step, where that is known."""

    code = "storage"
    during: str | None = None


class StorageUnavailableError(StorageError):
    """The database cannot be reached or opened."""

    code = "storage_unavailable"


class OutcomeUnknownError(StorageError):
    """The database went away, or the writer was interrupted, during a commit: it may have happened or not.

    Retry with the ``request_id`` that the command had. Where it had none, as with runs and skills, read first.
    """

    code = "outcome_unknown"

    def __init__(self, stream: str, *, has_request_id: bool = True) -> None:
        self.stream, self.has_request_id = stream, has_request_id
        retry = "retry it with the request_id that it had, or " if has_request_id else ""
        super().__init__(
            f"the write to {stream!r} may or may not have been committed; {retry}read before you write again"
        )


class LedgerBusyError(StorageError):
    """The write lock was held by someone else for longer than the lock timeout. Nothing was written."""

    code = "busy"


class LedgerClosedError(StorageError):
    """The ledger was used after ``close()``."""

    code = "closed"

    def __init__(self) -> None:
        super().__init__("this ledger is closed; open it again with keyledger.open(url)")


class NewerLedgerError(StorageError):
    """A newer keyledger wrote this: reading on would skip what it meant."""

    code = "newer_ledger"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"{found} is unknown here: a newer keyledger wrote it; upgrade this one to read it")


class UnreadableError(StorageError):
    """A stored event or value cannot be decoded: a missing or wrong cipher key, or damaged bytes."""

    code = "unreadable"

    def __init__(self, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(
            f"{what} cannot be read ({reason}); are cipher key and compressor those that it was written with?"
        )


_LONGEST_SHOWN = 80


def shown(got: object) -> str:
    """What came from outside, on one line and not at length."""
    try:
        text = repr(got)
    except Exception:  # noqa: BLE001 - too deep, or whatever somebody's class does
        text = f"<{type(got).__name__}>"
    return shortened(text)


def shortened(name: str) -> str:
    """A name from outside as a part of a sentence, of a path or of a line of a log."""
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"
