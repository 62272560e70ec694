"""Forks: a partition that begins as a copy of what another held at a moment, and shares nothing afterwards."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from keyledger.domain.commands import Action, Batch, BeginFork, CompleteFork, Copy
from keyledger.domain.decision import Outcome
from keyledger.domain.engine import Engine
from keyledger.domain.errors import ForkIncompleteError, PartitionExistsError
from keyledger.domain.partition import PartitionForked, StoredEntry
from keyledger.domain.past.moments import Moment
from keyledger.domain.past.standing import quota_then, standing, versions_of
from keyledger.domain.ports import Session, Storage
from keyledger.domain.quota import UNBOUND
from keyledger.domain.scope import is_tree, name_of, tree_scope
from keyledger.domain.writes import Caller, Writes

COPIED_AT_ONCE = 100
"""The most keys that one transaction copies, and the most values in memory."""


class Fork:
    """One fork, of what a storage held at ``moment`` into a stream of an engine, which may be another ledger's."""

    def __init__(
        self,
        source: Session,
        moment: Moment,
        engine: Engine,
        stream: str,
        caller: Caller,
        recorded_at: datetime | None = None,
    ) -> None:
        self._source, self._moment, self._engine, self._stream = source, moment, engine, stream
        self._by, self._recorded_at = Writes(engine, stream, caller), recorded_at
        self._begin = BeginFork(name_of(moment.stream), moment.revision, moment.instant)

    def run(self) -> None:
        """Begin it, or go on where it was left, and finish it.

        Raises:
            PartitionExistsError: the stream was used before, for something else.
            GlobalQuotaExceededError: what is left to copy does not fit; the fork can be finished when it does.
            ForkIncompleteError: somebody deleted it meanwhile.
        """
        try:
            self.begin()
        except PartitionExistsError:
            if unfinished(self._engine.storage, self._stream) != self._begin:
                raise PartitionExistsError(name_of(self._stream)) from None
        self.finish()

    def begin(self) -> None:
        """Begin it; PartitionExistsError if the stream was used before."""
        self._do(self._begin)

    def finish(self) -> None:
        """Copy what is not copied yet, and open the fork for use."""
        live = standing(self._source, self._moment)
        while some := tuple(islice(live, COPIED_AT_ONCE)):
            stood = versions_of(self._source, self._moment.stream, some)
            self._do(Batch(tuple(self._copy(*key, version.entry) for key, version in stood.items())))
        quota = quota_then(self._source, self._moment)
        done = self._do(CompleteFork(quota))
        if not done.events and done.state is not None and done.state.deleted:
            raise ForkIncompleteError(name_of(self._stream))  # somebody deleted it meanwhile

    def _copy(self, scope: str, key: str, entry: StoredEntry) -> Copy:
        scope = tree_scope(self._stream) if is_tree(self._stream) else scope
        return Copy(scope, key, entry.value, self._moment.left_of(entry), self._moment.revision)

    def _do(self, action: Action) -> Outcome:
        stream, command, _ = self._by.of(action)
        by = command.by._replace(recorded_at=self._recorded_at)
        return self._engine.writer.execute(stream, command._replace(by=by, limits=UNBOUND))


def unfinished(storage: Storage, stream: str) -> BeginFork | None:
    """What a stream is an unfinished fork of; None if it is none."""
    if not storage.load(stream, ()).state.forking:
        return None
    (first,) = storage.events(stream, 0, 1)
    assert isinstance(first, PartitionForked)  # noqa: S101 - nothing else begins a fork
    return BeginFork(first.source, first.revision, first.judged_at)
