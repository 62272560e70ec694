"""Where a command looks: where it was told to, or where a run wrote; and whether anything ever was there."""

from __future__ import annotations

from typing import NamedTuple

from keyledger.adapters.cli.moments import Place, moment_of, place_of
from keyledger.adapters.cli.output import note
from keyledger.adapters.cli.session import Session
from keyledger.domain.errors import InvalidArgumentError, KeyledgerError, KeyNotFoundError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.run_steps import written_streams
from keyledger.domain.past.view import View
from keyledger.domain.scope import is_tree, name_of, partition_stream, stream_of, tree_scope

_NAMED = 10


class NeverUsedError(KeyledgerError):
    """Nothing was ever written in a partition or tree, so there is nothing to go back to."""

    code = "not_found"

    def __init__(self, stream: str) -> None:
        super().__init__(f"{_named(stream)} was never used")


class Asked(NamedTuple):
    """Where and when a command was told to look; with ``run`` at what that run started from, or its end."""

    partition: str | None
    scope: str | None
    run: str | None = None
    end: bool = False


def view_at(session: Session, ledger: Ledger, text: str | None, asked: Asked) -> tuple[View, Place]:
    """What stood where and when it was asked for, and where that is, with a note on where else a run wrote."""
    if asked.run is None and asked.end:
        raise InvalidArgumentError("end", asked.end, "given with --run only")
    if asked.run is not None and text is not None:
        raise InvalidArgumentError("moment", text, "given without --run only")
    moment = moment_of(text)
    if asked.run is None:
        place, told = place_of(asked.partition, asked.scope, moment), None
    else:
        place, told = _place_of_run(ledger, asked.run, asked.partition, asked.scope)
    view = ledger.partition(place.partition).at(moment, run=asked.run, end=asked.end, scope=place.scope)
    if told is not None:
        note(told, as_json=session.as_json)
    return view, place


def _place_of_run(ledger: Ledger, run: str, partition: str | None, scope: str | None) -> tuple[Place, str | None]:
    """Where to look for a run: where it was said, else where it wrote, and what to say of that."""
    wrote = tuple(written_streams(ledger.storage, run))
    if partition is None and scope is None and len(wrote) == 1 and is_tree(wrote[0]):
        return place_of(None, tree_scope(wrote[0])), None
    found = [name_of(stream) for stream in wrote if not is_tree(stream)]
    if partition is None and not _is_of_tree(scope):
        if len(found) > 1:
            raise InvalidArgumentError("partition", None, f"one that {run!r} wrote in: {_names(wrote)}")
        partition = found[0] if found else None
    place = place_of(partition, scope)
    if not wrote:
        return place, f"{run!r} wrote nothing; this is {_named(stream_at(place))}"
    if stream_at(place) not in wrote:
        return place, f"{run!r} wrote nothing in {_named(stream_at(place))}, but in {_names(wrote)}"
    others = tuple(stream for stream in wrote if stream != stream_at(place))
    return place, f"{run!r} wrote in {_names(others)} too" if others else None


def stream_at(place: Place) -> str:
    """The stream of a place."""
    return stream_of(partition_stream(place.partition), place.scope)


def note_unused(session: Session, ledger: Ledger, *streams: str) -> None:
    """Say which of them were never written in: their names may be mistyped."""
    for stream in dict.fromkeys(streams):
        if not _is_used(ledger, stream):
            note(f"{_named(stream)} was never used", as_json=session.as_json)


def check_used(ledger: Ledger, stream: str) -> None:
    """NeverUsedError unless something was written there once."""
    if not _is_used(ledger, stream):
        raise NeverUsedError(stream)


def check_was(kv: Partition, key: str, scope: str) -> None:
    """KeyNotFoundError if a key never was."""
    if not kv.history(key, scope=scope, limit=1).items:
        raise KeyNotFoundError(key, scope)


def _is_used(ledger: Ledger, stream: str) -> bool:
    return ledger.storage.load(stream, ()).state.revision > 0


def _is_of_tree(scope: str | None) -> bool:
    return scope is not None and scope.startswith("root_run:")


def _named(stream: str) -> str:
    return f"scope {tree_scope(stream)!r}" if is_tree(stream) else f"partition {name_of(stream)!r}"


def _names(streams: tuple[str, ...]) -> str:
    shown = ", ".join(map(_named, streams[:_NAMED]))
    return shown if len(streams) <= _NAMED else f"{shown} and {len(streams) - _NAMED:,} more"
