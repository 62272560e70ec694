"""Standing back: not at first, then longer and longer, and shorter again."""

from __future__ import annotations

import pytest

from keyledger.domain import backoff
from keyledger.domain.backoff import FIRST_SECONDS, MOST_SECONDS, Backoff


@pytest.fixture(autouse=True)
def _longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "random", lambda: 1.0)


def test_the_first_conflict_waits_for_nothing_and_the_next_ever_longer_up_to_a_bound() -> None:
    waits = Backoff()
    told = [waits.after_conflict("s") for _ in range(12)]
    assert told[:4] == [0, FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert told[-1] == MOST_SECONDS


def test_streams_wait_for_themselves() -> None:
    waits = Backoff()
    assert [waits.after_conflict(stream) for stream in ("a", "b", "a")] == [0, 0, FIRST_SECONDS]


def test_each_write_that_meets_nobody_shortens_the_wait_until_none_is_left() -> None:
    waits = Backoff()
    for _ in range(5):
        waits.after_conflict("s")
    waits.after_success("s")
    shorter = waits.after_conflict("s")
    assert 8 * FIRST_SECONDS < shorter < 16 * FIRST_SECONDS
    for _ in range(200):
        waits.after_success("s")
    assert waits.after_conflict("s") == 0


def test_what_is_remembered_is_bounded() -> None:
    waits = Backoff()
    for number in range(5_000):
        waits.after_conflict(f"s{number}")
    assert len(waits._seconds) <= 1_000
