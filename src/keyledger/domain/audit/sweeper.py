"""What outlives its runs: the ``run:`` keys of finished ones, and the ``root_run:`` keys of finished trees.

Keys of a run that goes on are never touched, however long ago it began, nor those of a run that nobody started:
a host that does not audit its runs keeps its keys. A run that was purged is over since then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeAlias

from keyledger.domain.audit.ports import LedgerStorage, RunStatus
from keyledger.domain.audit.purging import RETENTION_ACTOR
from keyledger.domain.commands import Attribution, Batch, Delete, PartitionCommand
from keyledger.domain.errors import ForkIncompleteError
from keyledger.domain.partition import KeyDeleted
from keyledger.domain.ports import Clock
from keyledger.domain.run import PURGES_STREAM, STREAM_PREFIX, run_of, run_stream
from keyledger.domain.scope import TREE_STREAM_PREFIX
from keyledger.domain.writer import Writer

_Place: TypeAlias = tuple[str, str]
"""A scope and the stream that holds keys of it."""

_TREE_SCOPE = "root_run:"
_START: _Place = ("", "")
_EVER = datetime.min.replace(tzinfo=UTC)
_PAGE = 500
_PER_COMMAND = 100  # their values are read along: 64 KiB each at most, twice


class RunSweeper:
    """Deletes them, scope after scope: first those of trees, then those of runs.

    A sweep goes once round all scopes that hold keys, from where the sweep before it reached its limit. So the
    scopes that stay are looked at once in a round, however many sweeps the others take.
    """

    def __init__(self, storage: LedgerStorage, writer: Writer, clock: Clock) -> None:
        self._storage, self._writer, self._clock = storage, writer, clock
        self._after = _START

    def sweep(self, cutoff: datetime, limit: int) -> int:
        """Delete up to ``limit`` keys of what finished strictly before ``cutoff``; how many."""
        deleted = 0
        for page in self._round():
            over = self._over(page, cutoff)
            for place in page:
                if place[0] in over:
                    deleted += self._delete(place, limit - deleted)
                    if deleted == limit:
                        return deleted
                self._after = place
        self._after = _START
        return deleted

    # -------------------------------------------------------------------------------------- places

    def _round(self) -> Iterator[list[_Place]]:
        """Every place with keys, from behind the last one to the end, then from the start until it comes again."""
        last = after = self._after
        while page := self._places(after):
            yield page
            after = page[-1]
        after = _START
        while after < last and (page := self._places(after)):
            yield page
            after = page[-1]

    def _places(self, after: _Place) -> list[_Place]:
        """Some of the places behind ``after``, in order; none at the end."""
        trees = self._trees(after) if after[0] < STREAM_PREFIX else []
        return trees or self._storage.runs.run_scopes(after, _PAGE)

    def _trees(self, after: _Place) -> list[_Place]:
        """Trees with keys. One that was emptied keeps its head, and is passed over."""
        stream, now = after[1], self._clock.now()
        while heads := self._storage.streams(stream, _PAGE, now, TREE_STREAM_PREFIX):
            stream = heads[-1].stream
            if found := [_tree_place(head.stream) for head in heads if head.usage.live_keys]:
                return found
        return []

    # ----------------------------------------------------------------------------------- what is over

    def _over(self, page: Iterable[_Place], cutoff: datetime) -> set[str]:
        """The scopes of a page whose run, or every run of whose tree, finished before ``cutoff``."""
        scopes = dict.fromkeys(scope for scope, _ in page)
        runs = [scope for scope in scopes if scope.startswith(STREAM_PREFIX) and scope != PURGES_STREAM]
        trees = [scope.removeprefix(_TREE_SCOPE) for scope in scopes if scope.startswith(_TREE_SCOPE)]
        over = {status.stream for status in self._statuses(runs) if _is_over(status, cutoff)}
        return over | {_TREE_SCOPE + root for root in self._over_trees(trees, cutoff)}

    def _over_trees(self, roots: list[str], cutoff: datetime) -> set[str]:
        known = self._statuses([run_stream(root) for root in roots if run_stream(root) != PURGES_STREAM])
        states = {run_of(status.stream): _is_over(status, cutoff) for status in known}
        orphans = self._unfinished([root for root in roots if root not in states], _EVER)
        over = orphans | {root for root, is_over in states.items() if is_over}
        return over - self._unfinished(sorted(over), cutoff)

    def _statuses(self, streams: list[str]) -> list[RunStatus]:
        return self._storage.runs.statuses(streams) if streams else []

    def _unfinished(self, roots: list[str], cutoff: datetime) -> set[str]:
        """Trees in which a run did not finish before ``cutoff``: with _EVER, every tree that has a run."""
        return self._storage.runs.unfinished_trees(roots, cutoff) if roots else set()

    # ------------------------------------------------------------------------------------- deleting

    def _delete(self, place: _Place, most: int) -> int:
        """Delete up to ``most`` keys of a scope; how many, without those that somebody else deleted first."""
        (scope, stream), deleted, after = place, 0, ""
        while deleted < most:
            wanted = min(_PER_COMMAND, most - deleted)
            read = self._storage.list_entries(stream, scope, "", after, wanted, self._clock.now())
            if not read:
                break
            keys = [each.key[1] for each in read]
            by = Attribution(self._writer.new_request_id(), RETENTION_ACTOR)
            command = PartitionCommand(Batch(tuple(Delete(scope, key) for key in keys)), by)
            try:
                events = self._writer.execute(stream, command).events
            except ForkIncompleteError:  # its turn comes when it is finished
                break
            deleted += sum(isinstance(event, KeyDeleted) for event in events)
            after = keys[-1]
        return deleted


def _tree_place(stream: str) -> _Place:
    return _TREE_SCOPE + stream.removeprefix(TREE_STREAM_PREFIX), stream


def _is_over(status: RunStatus, cutoff: datetime) -> bool:
    return status.over_at is not None and status.over_at < cutoff
