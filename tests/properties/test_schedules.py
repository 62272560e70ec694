"""The smallest gap of a schedule, against the schedule's fires one after another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile

from cronsim import CronSim, CronSimError
from hypothesis import assume, example, given, reject, settings
from hypothesis import strategies as st

from keyledger import InvalidArgumentError
from keyledger.domain.skills.schedule import smallest_gap

START = datetime(2000, 1, 1, tzinfo=UTC)


def field(first: int, last: int, *, most: int = 4) -> st.SearchStrategy[str]:
    """One field of a cron expression: numbers, ranges, with and without steps, in lists."""
    numbers = st.integers(first, last)
    ranges = st.tuples(numbers, numbers).map(lambda ends: f"{min(ends)}-{max(ends)}")
    plain = numbers.map(str) | ranges
    stepped = st.tuples(plain | st.just("*"), st.integers(1, last)).map(lambda parts: "/".join(map(str, parts)))
    return st.lists(plain | stepped, min_size=1, max_size=most).map(",".join)


MINUTES, HOURS, DAYS = field(0, 59), field(0, 23), field(1, 31)
MONTHS = st.just("*") | field(1, 12)
WEEKDAYS = st.just("*") | field(0, 7) | st.sampled_from(["MON-FRI", "5L", "1#1", "1#5", "tue,3L,4#2", "*/2"])
SPECIAL_DAYS = st.sampled_from(["*", "L", "LW", "1,L", "*/7", "31"])


def gaps(schedule: str, *, until: datetime) -> list[int]:
    """The minutes between its fires, one after another; none where it never fires."""
    fires = CronSim(schedule, START - timedelta(seconds=1))
    walked = pairwise(takewhile(lambda fire: fire <= until, fires))
    return [int((later - earlier).total_seconds()) // 60 for earlier, later in walked]


def smallest_or_none(schedule: str) -> int | None:
    try:
        return smallest_gap(schedule)
    except InvalidArgumentError:
        return None


@settings(max_examples=200, deadline=None)
@given(minutes=MINUTES | st.just("*"), hours=HOURS | st.just("*"))
def test_of_times_of_day_it_is_the_smallest_in_any_two_days(minutes: str, hours: str) -> None:
    schedule = f"{minutes} {hours} * * *"
    assert smallest_gap(schedule) == min(gaps(schedule, until=START + timedelta(days=2)))


@settings(max_examples=100, deadline=None)
@given(
    times=st.sampled_from(["0 0", "59 0,23", "0,40 9"]),
    days=DAYS | SPECIAL_DAYS,
    month=st.sampled_from([month for month in range(1, 13) if month != 2]),
    weekdays=WEEKDAYS,
)
@example(times="0 0", days="31", month=4, weekdays="*")
@example(times="0 0", days="*/31", month=3, weekdays="1#5")
def test_of_days_of_a_month_it_is_the_smallest_in_28_years(
    times: str, days: str, month: int, weekdays: str
) -> None:
    schedule = f"{times} {days} {month} {weekdays}"
    assume(_is_read(schedule))
    assert smallest_or_none(schedule) == min(gaps(schedule, until=START.replace(year=2040)), default=None)


@settings(max_examples=12, deadline=None)
@given(days=DAYS | SPECIAL_DAYS | st.just("29"), weekdays=WEEKDAYS | st.just("*/7"))
@example(days="*", weekdays="1#5")
@example(days="29", weekdays="*")
def test_of_days_of_february_it_is_the_smallest_in_400_years(days: str, weekdays: str) -> None:
    schedule = f"0 0 {days} 2 {weekdays}"
    assume(_is_read(schedule))
    assert smallest_or_none(schedule) == min(gaps(schedule, until=START.replace(year=2445)), default=None)


def _is_read(schedule: str) -> bool:
    """Whether cronsim takes it: it knows of some, as of a 30th of February, that they never fire."""
    try:
        CronSim(schedule, START)
    except CronSimError:
        assert smallest_or_none(schedule) is None
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(
    schedule=st.tuples(MINUTES, HOURS, DAYS | SPECIAL_DAYS, MONTHS, WEEKDAYS).map(" ".join),
    days=st.integers(-4_000, 70_000),
)
def test_no_gap_is_smaller(schedule: str, days: int) -> None:
    smallest = smallest_or_none(schedule)
    if smallest is None:
        reject()
    fires = islice(CronSim(schedule, START + timedelta(days=days)), 300)
    assert all((later - earlier) >= timedelta(minutes=smallest) for earlier, later in pairwise(fires))


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=40)
    | st.lists(st.text("0123456789*/,-#LWMONJAN x", max_size=8), min_size=5, max_size=5).map(" ".join)
)
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    smallest = smallest_or_none(text)
    assert smallest is None or smallest >= 1
