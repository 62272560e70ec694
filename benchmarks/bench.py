"""What every section is given, what it gives back, and the databases that it works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import NamedTuple, TypeAlias

import orjson

import keyledger
from benchmarks.charts import Chart
from benchmarks.engines import Engine, Place, hand_written
from benchmarks.rounds import Effort
from benchmarks.sides import Keyledger
from benchmarks.tables import Table
from benchmarks.workload import PARTITION, SMALL, Item, key, values

_CHECKED = 1_000
"""The most revisions of a filling whose rows are compared with those that keyledger makes of its events."""


class Filling(NamedTuple):
    """A partition of so many keys with so many revisions in all."""

    keys: int
    revisions: int
    value_size: int = SMALL

    def items(self) -> Iterator[Item]:
        """What to set: the keys in turn."""
        return zip(
            islice(cycle(map(key, range(self.keys))), self.revisions), values(self.value_size), strict=False
        )


@dataclass(slots=True)
class Bench:
    """The engines to measure, how thoroughly, and whom to tell what is going on.

    Fillings are loaded once and copied, so that both sides begin with the very same pages.
    """

    engines: Sequence[Engine]
    effort: Effort
    tell: Callable[[str], None]
    _stack: ExitStack = field(default_factory=ExitStack)
    _templates: dict[tuple[str, Filling], Place] = field(default_factory=dict)

    @contextmanager
    def filled(self, engine: Engine, filling: Filling) -> Iterator[Place]:
        """A database of one's own that holds ``filling``."""
        template = self._templates.get((engine.name, filling))
        if template is None:
            self.tell(f"{engine.name}: loading {filling.revisions:,} revisions of {filling.keys:,} keys")
            template = self._stack.enter_context(engine.place())
            load(template, filling)
            self._templates[engine.name, filling] = template
        with engine.place(template) as place:
            yield place

    def close(self) -> None:
        """Drop what was loaded."""
        self._stack.close()


def load(place: Place, filling: Filling, partitions: Sequence[str] = (PARTITION,)) -> None:
    """Make the tables, and in them some partitions that are alike.

    Raises:
        AssertionError: the rows of a small filling are not those that keyledger makes of the events.
    """
    keyledger.open(place.url).close()
    for partition in partitions:
        with closing(hand_written(place.url, partition)) as loader:
            loader.load(filling.items())
    if filling.revisions <= _CHECKED:
        _check(place)
    place.settle()


def _check(place: Place) -> None:
    with closing(Keyledger(place.url)) as side:
        differences = side.ledger.rebuild().differences
    if differences:
        raise AssertionError("\n".join(differences))


_CONTENTS = (
    "SELECT originator_id, count(*), max(originator_version) FROM stored_events GROUP BY originator_id",
    "SELECT partition_id, revision, used_bytes, live_keys, max_bytes, leases, lease_version FROM partition_head",
    "SELECT count(*), sum(size), sum(revision), sum(create_revision), count(run_id) FROM current_value",
    "SELECT count(*), sum(size), sum(revision), min(operation), max(operation), count(run_id) FROM key_history",
)
_LAST_EVENT = "SELECT topic, state FROM stored_events ORDER BY originator_version DESC LIMIT 1"


def check_equal(one: Place, other: Place) -> None:
    """Raise unless both hold the same rows, but for times and request ids."""
    ours, theirs = _contents(one), _contents(other)
    if ours != theirs:
        raise AssertionError(f"the sides wrote different rows:\n{ours}\n{theirs}")


def check_revision(place: Place, revision: int) -> None:
    """Raise unless every one of so many writes is in the partitions' heads, and an event."""
    found = place.query("SELECT sum(revision) FROM partition_head")
    found += place.query("SELECT count(*) FROM stored_events") + place.query("SELECT count(*) FROM key_history")
    if found != [(revision,)] * 3:
        raise AssertionError(f"{revision} writes, yet revision, events and history rows are {found}")


def _contents(place: Place) -> list[object]:
    ((topic, state),) = place.query(_LAST_EVENT)
    event = orjson.loads(state)
    for differs in ("recorded_at", "request_id"):
        del event[differs]
    return [*(place.query(each) for each in _CONTENTS), topic, event]


Result: TypeAlias = Table | Chart
