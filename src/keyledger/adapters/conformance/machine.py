"""A Hypothesis state machine that compares a ledger with a plain dict, whatever stores it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.model import Key, Model, Operation, RefusedByModelError
from keyledger.domain.batch import PendingBatch
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.partition import PartitionState, fold
from keyledger.domain.values import MAX_INTEGER

QUOTA = 60
MAX_VALUE = 30

_KEYS = st.tuples(st.sampled_from(["skill", "user:ada"]), st.sampled_from(["a", "b", "é", "n"]))
_VALUES = st.sampled_from([0, 7, MAX_INTEGER, True, 1.0, None, "text", [1, 2, 3], {"k": "v"}, "x" * 20, "x" * 40])
_TTLS = st.none() | st.integers(1, 20)
_CONDITIONS = st.none() | st.none() | st.integers(0, 12)
_OPERATIONS = (
    st.builds(Operation, st.just("set"), _KEYS, _VALUES, _TTLS, _CONDITIONS)
    | st.builds(Operation, st.just("increment"), _KEYS, st.integers(-3, 3), _TTLS, _CONDITIONS)
    | st.builds(Operation, st.just("delete"), _KEYS, if_revision=_CONDITIONS)
)


class LedgerMachine(RuleBasedStateMachine):
    """Writes to one partition through two handles, as two processes would, and checks every read."""

    open_ledger: ClassVar[Callable[[], Callable[..., Ledger]]]

    @initialize()
    def open(self) -> None:
        """Open the ledger twice, on one clock."""
        self.clock = ManualClock()
        reopen = type(self).open_ledger()
        options = {"clock": self.clock, "quota": QUOTA, "max_value_bytes": MAX_VALUE}
        self.ledgers = [reopen(**options), reopen(**options)]
        self.hold("p", Model(QUOTA, MAX_VALUE))
        self.requests = 0

    def hold(self, name: str, model: Model) -> None:
        """Go on with this partition, and what it should be."""
        self.name, self.model = name, model
        self.handles = [ledger.partition(name, actor="ada") for ledger in self.ledgers]

    def teardown(self) -> None:
        """Check once more that replay equals the read models, and close."""
        if hasattr(self, "ledgers"):
            self.replay_equals_the_read_models()
            for ledger in self.ledgers:
                ledger.close()

    # -------------------------------------------------------------------------------------- writing

    @rule(who=st.integers(0, 1), operation=_OPERATIONS)
    def write(self, who: int, operation: Operation) -> None:
        """One write."""
        self.compare([operation], lambda: [_write(self.handles[who], operation)])

    @rule(who=st.integers(0, 1), operation=_OPERATIONS)
    def write_and_retry(self, who: int, operation: Operation) -> None:
        """One write with a request id, and its retry by the other process."""
        self.requests += 1
        request_id = f"q-{self.requests}"

        def twice() -> list[Any]:
            first = _write(self.handles[who], operation, request_id=request_id)
            assert _write(self.handles[1 - who], operation, request_id=request_id) == first
            return [first]

        self.compare([operation], twice)

    @rule(who=st.integers(0, 1), operations=st.lists(_OPERATIONS, min_size=1, max_size=4))
    def write_a_batch(self, who: int, operations: list[Operation]) -> None:
        """Several writes as one."""

        def write() -> list[Any]:
            with self.handles[who].batch() as batch:
                for operation in operations:
                    _write(batch, operation)
            return [plain(result) for result in batch.results]

        self.compare(operations, write)

    def compare(self, operations: list[Operation], write: Callable[[], list[Any]]) -> None:
        """Write, and have the model do the same: both come to the same, or refuse."""
        try:
            expected = self.model.write(operations, self.clock.now())
        except RefusedByModelError as refusal:
            with pytest.raises(refusal.kind):
                write()
        else:
            assert write() == expected

    @rule(seconds=st.integers(-5, 15))
    def move_the_clock(self, seconds: int) -> None:
        """Forward, and sometimes back."""
        self.clock.advance(seconds)

    @rule(who=st.integers(0, 1), max_bytes=st.none() | st.integers(0, 80))
    def change_the_quota(self, who: int, max_bytes: int | None) -> None:
        """A quota of the partition's own, or none."""
        if max_bytes != self.model.own_bytes:
            self.model.own_bytes = max_bytes
            self.model.moved(self.clock.now())
        assert self.handles[who].set_quota(max_bytes).max_bytes == self.model.max_bytes()

    @rule(who=st.integers(0, 1), limit=st.integers(1, 3))
    def sweep(self, who: int, limit: int) -> None:
        """End some expired entries."""
        ended = self.model.end_expired(limit, self.clock.now())
        assert self.ledgers[who].sweep(limit=limit).expired == ended

    @rule(who=st.integers(0, 1))
    def delete_the_partition(self, who: int) -> None:
        """End everything."""
        if self.ledgers[who].delete_partition(self.name):
            self.model.entries.clear()
            self.model.moved(self.clock.now())
        else:
            assert not self.model.entries

    @rule(who=st.integers(0, 1))
    def rebuild(self, who: int) -> None:
        """Drop and rebuild the read models."""
        assert self.ledgers[who].rebuild().differences == ()

    @rule()
    def replay_equals_the_read_models(self) -> None:
        """Fold every event, and compare with what the read models hold."""
        storage = self.ledgers[0].storage
        stream = f"partition:{self.name}"
        whole = fold(PartitionState(stream), storage.events(stream, 0, 10**9))
        loaded = storage.load(stream, tuple(whole.entries) or (("skill", "a"),)).state
        assert loaded == whole
        assert whole.live_keys == len(whole.entries) == len(self.model.entries)
        assert [entry.revision for entry in whole.entries.values()] == [
            self.model.entries[key].revision for key in whole.entries
        ]

    # -------------------------------------------------------------------------------------- reading

    @invariant()
    def reads_equal_the_model(self) -> None:
        """Every way to read, through both handles."""
        if not hasattr(self, "model"):
            return
        now = self.clock.now()
        live = self.model.live(now)
        for kv in self.handles:
            for scope in ("skill", "user:ada"):
                keys = sorted(key for in_scope, key in live if in_scope == scope)
                entries = {entry.key: entry for entry in kv.list(scope=scope)}
                assert list(entries) == keys
                assert kv.get_many(["n", "é", "b", "a"], scope=scope) == entries
                for key, entry in entries.items():
                    assert kv.get(key, scope=scope) == entry
                    self._is_held(live, (scope, key), entry)
            usage = kv.usage()
            assert (usage.used_bytes, usage.live_keys) == (self.model.used(now), len(live))

    def _is_held(self, live: dict[Key, Any], key: Key, entry: Any) -> None:
        held = live[key]
        assert (repr(entry.value), entry.revision, entry.size) == (repr(held.value), held.revision, held.size)
        assert entry.expires_at == held.expires_at


def ledger_machine(open_ledger: Callable[[], Callable[..., Ledger]]) -> type[LedgerMachine]:
    """The machine for an adapter; ``open_ledger()`` makes an empty ledger and returns what opens it.

    Use it as ``TestMachine = ledger_machine(…).TestCase``.
    """
    return type("AdapterMachine", (LedgerMachine,), {"open_ledger": staticmethod(open_ledger)})


def _write(on: Partition | PendingBatch, operation: Operation, **request: Any) -> Any:
    scope, key = operation.key
    options: dict[str, Any] = {"scope": scope, "if_revision": operation.if_revision, **request}
    match operation.what:
        case "set":
            return plain(on.set(key, operation.value, ttl=operation.ttl, **options))
        case "increment":
            return plain(on.increment(key, operation.value, ttl=operation.ttl, **options))  # type: ignore[arg-type]
        case _:
            return plain(on.delete(key, **options))


def plain(result: Any) -> Any:
    """What the model answers: a value and its revision, or whether a delete found anything."""
    return result if isinstance(result, bool) or result is None else (result.value, result.revision)
