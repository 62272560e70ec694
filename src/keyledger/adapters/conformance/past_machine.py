"""The state machine in time: it keeps what the model held after every event, and goes back to any of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from jsonpatch import apply_patch

from keyledger.adapters.conformance.machine import QUOTA, LedgerMachine, plain
from keyledger.adapters.conformance.model import Held, Key, Model, RefusedByModelError
from keyledger.domain.errors import InvalidArgumentError, PartitionExistsError
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry, KeyChange
from keyledger.domain.values import JSONValue

SCOPES = ("skill", "user:ada")
MOST_FORKS = 3

Pick: TypeAlias = tuple[int, int | None]
"""Which revision, counted back from the head, and how many seconds after it; None is the revision itself."""

_NUMBERS = st.integers(0, 7)
_PICKS = st.tuples(st.integers(0, 40), st.none() | st.none() | st.integers(0, 20))


class PastMachine(LedgerMachine):
    """Everything that changes a partition and its forks, and every question that can be asked of their pasts."""

    @initialize()
    def open(self) -> None:
        """As the other machine, with room for forks."""
        super().open()
        self.branches = {self.name: self.model}

    def teardown(self) -> None:
        """Look back at every moment of every branch, and close."""
        if hasattr(self, "branches"):
            for name, model in self.branches.items():
                self.hold(name, model)
                self.every_moment_is_as_it_was()
        super().teardown()

    # -------------------------------------------------------------------------------------- writing

    @rule(who=st.integers(0, 1), number=_NUMBERS, pick=_PICKS, if_revision=st.none() | st.integers(0, 12))
    def restore(self, who: int, number: int, pick: Pick, if_revision: int | None) -> None:
        """One key, back to a moment; and the retry by the other process."""
        key, (revision, moment) = self.key(number), self.moment(pick, who)
        operations = self.model.restoring([key], revision, moment.instant, if_revision)
        self.requests += 1
        options: dict[str, Any] = {"if_revision": if_revision, "request_id": f"q-{self.requests}", "scope": key[0]}

        def twice() -> list[Any]:
            first = self.handles[who].restore(key[1], moment, **options)
            assert plain(self.handles[1 - who].restore(key[1], str(moment), **options)) == plain(first)
            return [plain(first)]

        self.compare(operations, twice)

    @rule(
        who=st.integers(0, 1),
        pick=_PICKS,
        scope=st.none() | st.sampled_from(SCOPES),
        prefix=st.sampled_from(["", "", "a", "n"]),
    )
    def restore_all(self, who: int, pick: Pick, scope: str | None, prefix: str) -> None:
        """Everything, or a part of it, back to a moment."""
        revision, moment = self.moment(pick, who)
        keys = [
            key
            for key in self.model.differing(revision, moment.instant, self.clock.now())
            if scope in {None, key[0]} and key[1].startswith(prefix)
        ]
        try:
            expected = self.model.restore_all(keys, revision, moment.instant, self.clock.now())
        except RefusedByModelError as refusal:
            with pytest.raises(refusal.kind):
                self.handles[who].restore_all(moment, scope=scope, prefix=prefix)
        else:
            assert self.handles[who].restore_all(moment, scope=scope, prefix=prefix) == expected
            if scope is None and not prefix:
                held, then = self.model.live(self.clock.now()), self.model.stood(revision, moment.instant)
                assert {key: text(each.value) for key, each in held.items()} == {
                    key: text(each.value) for key, each in then.items()
                }

    @precondition(lambda self: len(self.branches) <= MOST_FORKS)
    @rule(who=st.integers(0, 1), pick=_PICKS)
    def fork(self, who: int, pick: Pick) -> None:
        """Branch off from a moment, and go on there."""
        revision, moment = self.moment(pick, who)
        into = f"{self.name}/{len(self.branches)}"
        self.branches[into] = self.model.forked(revision, moment.instant, self.clock.now())
        fork = self.handles[who].fork(into, moment)
        with pytest.raises(PartitionExistsError):
            self.handles[1 - who].fork(into, str(moment))
        lives = self.handles[who].diff(moment, fork.at())
        assert {(change.kind, change.patch) for change in lives} <= {("changed", ())}
        self.hold(into, self.branches[into])

    @rule(number=st.integers(0, MOST_FORKS))
    def go_on_with_another_branch(self, number: int) -> None:
        """The source or one of its forks."""
        name = list(self.branches)[number % len(self.branches)]
        self.hold(name, self.branches[name])

    @rule(who=st.integers(0, 1), limit=st.integers(1, 3))
    def sweep(self, who: int, limit: int) -> None:
        """End some expired entries, of whatever branch."""
        ended = 0
        for _, model in sorted(self.branches.items()):
            ended += model.end_expired(limit - ended, self.clock.now())
        assert self.ledgers[who].sweep(limit=limit).expired == ended

    # ------------------------------------------------------------------------------- looking back

    @rule(who=st.integers(0, 1), pick=_PICKS)
    def look_back(self, who: int, pick: Pick) -> None:
        """At one moment, through a view and again through its token."""
        revision, view = self.moment(pick, who)
        for each in (view, self.handles[1 - who].at(str(view))):
            assert (each.revision, str(each)) == (revision, str(view))
            self.is_as_it_was(each, self.model, revision)

    @rule(who=st.integers(0, 1), one=_PICKS, other=_PICKS, number=st.integers(0, MOST_FORKS))
    def differ(self, who: int, one: Pick, other: Pick, number: int) -> None:
        """A difference, applied to the one moment, gives the other, which may be another branch's."""
        before, view = self.moment(one)
        old = self.model.stood(before, view.instant)
        here = self.name, self.model
        name = list(self.branches)[number % len(self.branches)]
        self.hold(name, self.branches[name])
        after, other_view = self.moment(other)
        new = self.model.stood(after, other_view.instant)
        self.hold(*here)
        changes = self.handles[who].diff(str(view), other_view)
        assert patched(old, changes) == texts(new)
        assert [(each.scope, each.key) for each in changes] == sorted(
            key for key in {**old, **new} if texts(old).get(key) != texts(new).get(key)
        )

    @rule(who=st.integers(0, 1), number=_NUMBERS, pick=_PICKS, sought=_PICKS)
    def bisect(self, who: int, number: int, pick: Pick, sought: Pick) -> None:
        """What bisect finds is a turning point, and the first of all if there is one only."""
        key, (low, _) = self.key(number), self.moment((pick[0], None))
        wanted = texts(self.model.stood(self.moment((sought[0], None))[0])).get(key, ("absent", None))[0]

        def holds(entry: Entry | None) -> bool:
            return entry is not None and text(entry.value) == wanted

        told = [
            key in stood and text(stood[key].value) == wanted
            for stood in map(self.model.stood, range(self.model.revision + 1))
        ]

        def ask() -> int | None:
            found = self.handles[who].bisect(key[1], holds, scope=key[0], after=low)
            return None if found is None else found.revision

        if told[low]:
            with pytest.raises(InvalidArgumentError):
                ask()
        elif not told[-1]:
            assert ask() is None
        else:
            found = ask()
            assert found is not None
            assert found > low
            assert told[found - 1 : found + 1] == [False, True]

    @rule(who=st.integers(0, 1), pick=_PICKS)
    def bisect_everything(self, who: int, pick: Pick) -> None:
        """A predicate that turns once is found where it turned."""
        revision, _ = self.moment((pick[0], None))
        found = self.handles[who].bisect(None, lambda view: view.revision >= max(1, revision))
        assert (found.revision if found else 0) == (max(1, revision) if self.model.revision else 0)

    @rule()
    def every_moment_is_as_it_was(self) -> None:
        """All revisions of this branch, and the times around each change and each expiry."""
        for revision in range(self.model.revision + 1):
            self.is_as_it_was(self.handles[revision % 2].at(revision), self.model, revision)
        for instant in self.turning_points():
            view = self.handles[0].at(instant)
            assert view.revision == self.model.revision_at(instant)
            self.is_as_it_was(view, self.model, view.revision)

    def turning_points(self) -> list[datetime]:
        """The times, up to now, at which anything changed or expired, and the last ones before."""
        changed = {past.last for past in self.model.past}
        ended = {held.expires_at for past in self.model.past for held in past.entries.values()}
        now = self.model.now(self.clock.now())
        turns = {instant for instant in changed | ended if instant is not None and instant <= now}
        return sorted({*turns, *(instant - timedelta(microseconds=1) for instant in turns)})

    def key(self, number: int) -> Key:
        """One of the keys that ever were here."""
        ever = sorted({key for past in self.model.past for key in past.entries} or {("skill", "a")})
        return ever[number % len(ever)]

    def moment(self, pick: Pick, who: int = 0) -> tuple[int, View]:
        """The revision and view that were picked."""
        back, seconds = pick
        revision = self.model.revision - back % (self.model.revision + 1)
        instant = self.model.instant_of(revision)
        kv = self.handles[who]
        if seconds is None or instant is None:
            return revision, kv.at(revision)
        instant = min(instant + timedelta(seconds=seconds), self.model.now(self.clock.now()))
        return self.model.revision_at(instant), kv.at(instant)

    def is_as_it_was(self, view: View, model: Model, revision: int) -> None:
        """A view shows what the model held."""
        stood = model.stood(revision, view.instant if model.instant_of(revision) else None)
        for scope in SCOPES:
            entries = view.list(scope=scope).items
            keys = sorted(key for in_scope, key in stood if in_scope == scope)
            assert [entry.key for entry in entries] == keys
            for entry in entries:
                held = stood[scope, entry.key]
                assert (text(entry.value), entry.revision, entry.size) == (
                    text(held.value),
                    held.revision,
                    held.size,
                )
                assert entry.expires_at == held.expires_at
                assert view.get(entry.key, scope=scope) == entry
            blamed = [(version.key, version.revision) for version in view.blame(scope=scope)]
            assert blamed == [(entry.key, entry.revision) for entry in entries]
        usage, own = view.usage(), model.past[revision].own_bytes
        assert (usage.used_bytes, usage.live_keys) == (sum(held.size for held in stood.values()), len(stood))
        assert usage.max_bytes == (QUOTA if own is None else own)

    @invariant()
    def the_head_is_the_last_of_the_past(self) -> None:
        """What is kept of every event ends with what is."""
        if hasattr(self, "branches"):
            for name, model in self.branches.items():
                assert len(model.past) == model.revision + 1
                assert self.ledgers[0].partition(name).at().revision == model.revision


def past_machine(open_ledger: Callable[[], Callable[..., Ledger]]) -> type[PastMachine]:
    """The machine for an adapter, as :func:`ledger_machine`."""
    return type("AdapterPastMachine", (PastMachine,), {"open_ledger": staticmethod(open_ledger)})


def text(value: JSONValue) -> str:
    """A text that tells 1, 1.0 and true apart."""
    return json.dumps(value, sort_keys=True)


def texts(held: dict[Key, Held]) -> dict[Key, tuple[str, Any]]:
    """Values and expiries."""
    return {key: (text(each.value), each.expires_at) for key, each in held.items()}


def patched(old: dict[Key, Held], changes: tuple[KeyChange, ...]) -> dict[Key, tuple[str, Any]]:
    """What ``old`` becomes by ``changes``, each value by its patch."""
    found = texts(old)
    for change in changes:
        key = (change.scope, change.key)
        if change.kind == "removed":
            del found[key]
            continue
        assert change.after is not None
        value = change.after.value
        if change.kind == "changed":
            value = apply_patch(old[key].value, list(change.patch))
        found[key] = (text(value), change.after.expires_at)
    return found
