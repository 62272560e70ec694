"""What a partition offers of its past: views, differences, who set what, the way back, and forks."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, TypeAlias

from keyledger.domain import arguments
from keyledger.domain.commands import Restore, RestoreAll
from keyledger.domain.decision import Outcome
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.partition import KeyDeleted, KeySet, PartitionForked
from keyledger.domain.past import difference
from keyledger.domain.past.bisect import first_true
from keyledger.domain.past.changes import version_of_event
from keyledger.domain.past.forking import Fork, unfinished
from keyledger.domain.past.moments import Moment, MomentLike, Moments, event_at, parse_token
from keyledger.domain.past.restoring import RestorePlan, restore_of
from keyledger.domain.past.streams import Streams
from keyledger.domain.past.view import View
from keyledger.domain.records import Entry, KeyChange, Page, Version
from keyledger.domain.scope import (
    SKILL,
    TREE_STREAM_PREFIX,
    check_id,
    check_key,
    check_scope,
    is_tree,
    name_of,
    partition_stream,
    stream_named,
    stream_of,
)
from keyledger.domain.writes import Writes, entry_at

if TYPE_CHECKING:
    from keyledger.domain.kv import Partition

At: TypeAlias = MomentLike | View
"""A moment, as users name it: a revision, an aware time, a token or a view."""

Predicate: TypeAlias = Callable[[Entry | None], object] | Callable[[View], object]


class Travel(Streams):
    """The past of a partition's streams. A scope of a dispatch tree, ``root_run:<id>``, has a past of its own."""

    writes: Writes

    def at(
        self, moment: At | None = None, *, run: str | None = None, end: bool = False, scope: str = SKILL
    ) -> View:
        """A read-only view of what stood at a moment; with neither ``moment`` nor ``run`` of what stands now.

        ``moment`` is a revision, an aware time or a token. ``run`` is the state that a run started from, with
        ``end`` the one that its last change left. ``scope`` says whose past: that of a ``root_run:`` scope is its
        tree's.

        Raises:
            RevisionNotFoundError: the partition has not reached that revision.
            InvalidArgumentError: a naive time, one that has not come, or a token of another partition.
            RunNotFoundError: neither the audit of runs nor the history here knows the run.
        """
        stream = self._open_stream(scope)
        if run is None:
            if end is not False:
                raise InvalidArgumentError("end", end, "False where there is no run")
            return View(self._engine, self._moment_or_now(stream, "moment", moment))
        if moment is not None:
            raise InvalidArgumentError("moment", moment, "None beside a run")
        if end is not False and end is not True:
            raise InvalidArgumentError("end", end, "True or False")
        return View(self._engine, Moments(self._engine, stream).of_run(run, end=end))

    def blame(
        self, *, scope: str = SKILL, prefix: str = "", limit: int = arguments.DEFAULT_PAGE, after: str = ""
    ) -> Page[Version]:
        """For each live key of a scope the version that last set it; see :meth:`View.blame`."""
        return self.at(scope=scope).blame(scope=scope, prefix=prefix, limit=limit, after=after)

    def diff(
        self, before: At, after: At | None = None, *, scope: str | None = None, prefix: str = ""
    ) -> tuple[KeyChange, ...]:
        """What was added, removed or changed from one moment to another, or to now, by (scope, key).

        Of one scope, or with None of all that the partition holds. A token or view may be another partition's, a
        view even another ledger's, such as a dry run's.
        """
        stream = self._stream_of(scope)
        arguments.check_start("prefix", prefix)
        old = self._side(stream, "before", before)
        new = self._side(stream, "after", self.at(scope=scope or SKILL) if after is None else after)
        tree = is_tree(old[1].stream)
        if tree != is_tree(new[1].stream):
            raise InvalidArgumentError(
                "after", str(new[1]), f"a {'tree' if tree else 'partition'}'s moment, as {old[1]} is"
            )
        return tuple(difference.changes(old, new, None if tree else scope, prefix))

    def bisect(
        self,
        key: str | None,
        predicate: Predicate,
        *,
        scope: str = SKILL,
        after: At = 0,
        before: At | None = None,
    ) -> Version | None:
        """The change with which ``predicate`` turned true, found in about log2(revisions) reads.

        It is asked about the entry under ``key`` (None where there is none), or without a key about the view, as
        of a revision, and has to be false at that of ``after``. The answer is None if it is false at that of
        ``before``, the last one unless given. If it turned true more than once, the change is one of those. An
        entry that expires turns with the first revision recorded later, whatever key that changed.

        Raises:
            InvalidArgumentError: the predicate is true at ``after``.
            PredicateError: it raised.
        """
        if key is not None:
            check_key(key)
        if not callable(predicate) or iscoroutinefunction(predicate):
            raise InvalidArgumentError("predicate", predicate, "a function, and not one that is awaited")
        stream = self._open_stream(scope)
        moments = Moments(self._engine, stream)
        low = self._moment(stream, "after", after).revision
        high = self._moment_or_now(stream, "before", before).revision
        if low > high:
            raise InvalidArgumentError("after", after, f"a moment not behind that of before, revision {high}")

        def state_at(revision: int) -> View | Entry | None:
            view = View(self._engine, moments.of_revision(revision))
            return view if key is None else view.get(key, scope=scope)

        found = first_true(state_at, predicate, low, high)
        if found is None:
            return None
        return version_of_event(self._engine.codec, event_at(self._engine.storage, stream, found))

    # ------------------------------------------------------------------------------------ going back

    def restore(
        self,
        key: str,
        to: At,
        *,
        scope: str = SKILL,
        if_revision: int | None = None,
        request_id: str | None = None,
    ) -> Entry | None:
        """Let ``key`` be again what it was at a moment, by a new change; None if it was not there then.

        It lives on for as long as was left of its life then. Where it still stands at the version of then, or
        holds the same for good, nothing changes.

        Raises:
            RefusedError: as for ``set``: condition, cap and quotas apply.
        """
        check_key(key)
        arguments.check_revision("if_revision", if_revision)
        stream = self._open_stream(scope)
        moment = self._moment(stream, "to", to)
        action = restore_of(self._engine.storage, moment, scope, key, if_revision)
        _, command, remember = self.writes.of(action, request_id)
        outcome = self._engine.writer.execute(stream, command, remember=remember)
        if outcome.events:
            return self.writes.entry(outcome) if isinstance(outcome.events[-1], KeySet) else None
        return self._left(action, outcome)

    def _left(self, action: Restore, outcome: Outcome) -> Entry | None:
        """What stands where nothing had to be restored."""
        if outcome.state is None:  # a retry: what it was told at first is not kept
            return self.at(scope=action.scope).get(action.key, scope=action.scope)
        entry = outcome.state.entries.get((action.scope, action.key))
        now = outcome.state.effective_now(self._engine.clock.now())
        return None if entry is None else entry_at(self._engine.codec, (action.scope, action.key), entry, now)

    def restore_all(
        self, to: At, *, scope: str | None = None, prefix: str = "", request_id: str | None = None
    ) -> int:
        """Let every key under ``prefix`` be again what it was at a moment; how many keys changed.

        Those of one scope, or with None of all. One transaction, exact whatever is written meanwhile: keys that
        came since go, others come back, each as with :meth:`restore`. All of it, or where a quota refuses nothing.
        """
        arguments.check_start("prefix", prefix)
        moment = self._moment(self._stream_of(scope), "to", to)
        action = RestoreAll(moment.revision, moment.instant, scope, prefix)
        _, command, remember = self.writes.of(action, request_id)
        plan = RestorePlan(moment, command, self._engine.clock)
        outcome = self._engine.writer.execute(moment.stream, command, remember=remember, plan=plan)
        return sum(isinstance(event, KeySet | KeyDeleted) for event in outcome.events)

    # ---------------------------------------------------------------------------------- branching off

    def fork(self, into: str, at: At | None = None, *, scope: str = SKILL) -> Partition:
        """Let the partition ``into`` begin as a copy of a moment, or of now, and share nothing afterwards.

        What was live then is copied, each entry with what was left of its life, and the partition's own quota. The
        fork has revisions and times of its own, and its first event says where it came from. Until it is finished
        it refuses to be read or written; the same call finishes one that was interrupted. With a ``root_run:``
        scope the dispatch tree's entries are copied into the tree ``into``.

        Returns:
            The fork, for the same caller; of a tree this partition, which all trees can be read through.

        Raises:
            PartitionExistsError: ``into`` was used before.
            GlobalQuotaExceededError: the copy does not fit; it can be finished when it does.
        """
        stream = self._open_stream(scope)
        target = _target(stream, into)
        if stream == target:
            raise InvalidArgumentError("into", into, "another partition")
        begun = unfinished(self._engine.storage, target) if at is None else None
        if begun is not None and begun.source == name_of(stream):
            moment = Moment(stream, begun.revision, begun.judged_at, pinned=True)
        else:
            moment = self._moment_or_now(stream, "at", at)
        Fork(self._engine.storage, moment, self._engine, target, self.writes.caller).run()
        return self._sibling(None if is_tree(target) else into)

    def forked_from(self, *, scope: str = SKILL) -> str | None:
        """The token of the moment that the partition, or a ``root_run:`` scope's tree, began as a copy of.

        None if it is no fork. An unfinished one answers too.
        """
        check_scope(scope)
        first = self._engine.storage.events(stream_of(self._stream, scope), 0, 1)
        if not first or not isinstance(first[0], PartitionForked):
            return None
        return str(Moment(stream_named(first[0].source), first[0].revision, first[0].judged_at, pinned=True))

    # ------------------------------------------------------------------------------------- internals

    def _sibling(self, partition_id: str | None) -> Partition:
        """Another partition, or with None this one, for the same caller."""
        raise NotImplementedError

    def _stream_of(self, scope: str | None) -> str:
        return self._open_stream(SKILL if scope is None else scope)

    def _moment(self, stream: str, field: str, moment: At) -> Moment:
        if not isinstance(moment, View):
            return Moments(self._engine, stream, field).of(moment)
        if moment.engine is not self._engine or moment.moment.stream != stream:
            raise InvalidArgumentError(field, str(moment), f"a view of {name_of(stream)!r} in this ledger")
        return moment.moment

    def _moment_or_now(self, stream: str, field: str, moment: At | None) -> Moment:
        return Moments(self._engine, stream).now() if moment is None else self._moment(stream, field, moment)

    def _side(self, stream: str, field: str, moment: At) -> difference.Side:
        """A side of a difference: tokens name their partitions themselves, views their ledgers too."""
        if isinstance(moment, View):
            return moment.engine, moment.moment
        if isinstance(moment, str):
            stream, _, _ = parse_token(moment, field)
            self._engine.forks.check(stream)
        return self._engine, self._moment(stream, field, moment)


def _target(stream: str, into: str) -> str:
    check_id("into", into)
    return TREE_STREAM_PREFIX + into if is_tree(stream) else partition_stream(into)
