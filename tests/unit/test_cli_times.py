"""Times and durations as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyledger.adapters.cli.run_output import lasting
from keyledger.adapters.cli.times import duration, time_or_age
from keyledger.domain.errors import InvalidArgumentError

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("0.5s", 0.5), ("15m", 900), ("2h", 7_200), ("7d", 604_800), ("4w", 2_419_200), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration("--every", text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5min", "1e3s", "٣s", "1h30m", "inf"])
def test_what_is_no_duration_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        duration("--every", text)
    assert (refused.value.field, refused.value.got) == ("--every", text)
    assert "15m" in refused.value.allowed


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (None, None),
        ("2h", NOW - timedelta(hours=2)),
        ("2026-11-21T14:00:00Z", NOW),
        ("2026-11-21T15:00:00+01:00", NOW),
        ("2026-11-21 14:00Z", NOW),
    ],
)
def test_a_time_has_an_offset_or_is_an_age(text: str | None, time: datetime | None) -> None:
    assert time_or_age("--since", text, NOW) == time


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-21T14:00:00", "2026-11-21", "999999999w", "-2h"])
def test_what_is_no_time_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        time_or_age("--since", text, NOW)
    assert (refused.value.field, refused.value.got) == ("--since", text)
    assert "2026-11-21T14:00:00Z" in refused.value.allowed


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0.00 s"),
        (0.254, "0.25 s"),
        (59.994, "59.99 s"),
        (60, "1 m 00 s"),
        (3_599.9, "59 m 59 s"),
        (7_500, "2 h 05 m"),
        (86_400 * 3 + 4 * 3_600, "3 d 04 h"),
    ],
)
def test_a_duration_is_shown_in_two_units_at_most(seconds: float, shown: str) -> None:
    assert lasting(seconds) == shown
