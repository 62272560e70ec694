"""Schedules: which there are, and the smallest gap of each."""

from __future__ import annotations

from calendar import isleap
from datetime import date
from itertools import pairwise

import pytest

from keyledger import InvalidArgumentError
from keyledger.domain.skills.schedule import MAX_SCHEDULE_LENGTH, smallest_gap

DAY = 24 * 60


def refusal(schedule: str) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        smallest_gap(schedule)
    assert caught.value.field == "schedule"
    assert caught.value.got == schedule
    return str(caught.value)


@pytest.mark.parametrize("schedule", ["daily", "Daily", "DAILY", "0 0 * * *", "59 23 * * *"])
def test_daily_is_once_a_day_in_any_case(schedule: str) -> None:
    assert smallest_gap(schedule) == DAY


@pytest.mark.parametrize("schedule", ["weekly", "WEEKLY", "0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "0 0 * * sun"])
def test_weekly_is_once_a_week_in_any_case(schedule: str) -> None:
    assert smallest_gap(schedule) == 7 * DAY


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("* * * * *", 1),
        ("*/7 * * * *", 4),  # :56, and then :00
        ("0,20 * * * *", 20),
        ("0,40 * * * *", 20),  # over the hour
        ("10 * * * *", 60),
        ("0 9-17/2 * * *", 120),
        ("0,50 3 * * *", 50),
        ("0 0,23 * * *", 60),  # over midnight
        ("0,59 0,23 * * *", 1),  # from 23:59 to 0:00
        ("0,59 0,23 * * 1", 59),  # which is on no day after another
        ("0 0 1,31 * *", DAY),  # over the end of a month
        ("0 0 31 12 *", 365 * DAY),
        ("0 0 1 1,12 *", 31 * DAY),  # over new year
        ("0 0 31 12,1 *", 31 * DAY),
        ("0 12 1 * *", 28 * DAY),  # over February
        ("0 12 29-30 1-3 *", DAY),
        ("0 0 L * *", 28 * DAY),
        ("0 0 LW * *", 28 * DAY),
        ("0 0 * * 5L", 28 * DAY),
        ("0 0 * * 1#2", 28 * DAY),
        ("0 0 * * 1#5", 7 * 9 * DAY),
        ("0 0 13 * 5", DAY),  # the 13th or a Friday
        ("0 0 */13 * 5", 28 * DAY),  # the 1st, 14th or 27th, if it is a Friday: a 27th of February and of March
        ("0 0 * 2 1#5", 4_382 * DAY),  # a leap day on a Monday: 12 years around 2100, else 28
    ],
)
def test_the_smallest_gap_is_found_wherever_it_lies(schedule: str, minutes: int) -> None:
    assert smallest_gap(schedule) == minutes


@pytest.mark.parametrize("weekday", range(7))
def test_a_leap_day_of_a_weekday_is_looked_for_in_all_400_years_of_the_calendar(weekday: int) -> None:
    leap_days = (date(year, 2, 29) for year in range(2000, 2800) if isleap(year))
    days = [day for day in leap_days if day.isoweekday() % 7 == weekday]
    soonest = min(later - earlier for earlier, later in pairwise(days))
    assert smallest_gap(f"0 0 * 2 {weekday}#5") == soonest.days * DAY


@pytest.mark.parametrize("schedule", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 */31 * 1#5"])
def test_a_schedule_that_never_fires_is_refused(schedule: str) -> None:
    refusal(schedule)


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * 32 2 *", "bad day-of-month"),
        ("* * 31 2,13 *", "bad month"),
        ("0 0 31 2 *", "this one never fires"),
        ("0 0 30 feb *", "this one never fires"),
        ("0 0 31 2,4,6 */2", "this one never fires"),
        ("* * * 13 *", "bad month"),
        ("* * * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("30-20 * * * *", "bad minute"),
        ("x * * * *", "bad minute"),
        ("\u0661 * * * *", "bad minute"),
        (f"{'1' * 500} * * * *", "bad minute"),
        ("* * * *", "this one has 4 of them"),
        ("0 * * * * *", "this one has 6 of them"),
        ("hourly", "this one has 1 of them"),
        ("@daily", "this one has 1 of them"),
        ("", "this one has 0 of them"),
    ],
)
def test_what_is_no_schedule_is_refused_saying_why(schedule: str, why: str) -> None:
    assert refusal(schedule).endswith(f"daily, weekly, or a cron expression, in UTC, of 5 fields: {why}")


def test_a_schedule_has_at_most_512_characters() -> None:
    longest = f"00{',0' * 251} * * * *"
    assert len(longest) == MAX_SCHEDULE_LENGTH
    assert smallest_gap(longest) == 60
    assert refusal(f"0{longest}").endswith("at most 512 characters")
