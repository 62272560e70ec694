"""The rules of a run, one a test."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyledger.domain import run
from keyledger.domain.errors import DuplicateRunError, DuplicateSequenceError, RunNotFoundError
from keyledger.domain.run import (
    CountPurge,
    Outcome,
    RecordReads,
    RunCommand,
    RunsPurged,
    RunState,
    Spans,
    decide,
    fold,
    is_used,
    next_sequence,
    run_of,
    run_stream,
    using,
)

from .run_specs import (
    STREAM,
    events_of,
    finishing,
    given_run,
    keys_were_read,
    logging,
    purging,
    seconds,
    stands_purged,
    starting,
    was_finished,
    was_logged,
    was_purged,
    was_started,
    were_logged,
)
from .specs import Fact

READS = (("partition:p", "skill", "a", 3), ("partition:p", "skill", "b", 0))
ENDED: dict[str, Any] = {
    "output": "12 °C",
    "error": "late",
    "tool_calls": 3,
    "runtime_seconds": 1.5,
    "input_tokens": 10,
    "output_tokens": 20,
    "thinking_tokens": 30,
}
PURGED = (stands_purged(), stands_purged(), was_purged())


def test_a_stream_is_named_for_its_run() -> None:
    assert run_stream("r:1") == "run:r:1"
    assert run_of("run:run:1") == "run:1"


# ----------------------------------------------------------------------------------------------- start


def test_a_start_says_what_runs_for_whom_and_where() -> None:
    fields: dict[str, Any] = {
        "skill_id": "weather",
        "caller_id": "ada",
        "channel_id": "slack",
        "parent_run_id": "r-0",
        "root_run_id": "r-00",
        "depth": 2,
        "traceparent": "00-1-2-01",
        "inputs": b'{"city":"Oslo"}',
    }
    given_run().when(starting(started_at=3, **fields)).then(was_started(started_at=3, **fields))


def test_a_run_starts_now_unless_told_otherwise() -> None:
    given_run().when(starting(), at=5).then(was_started(started_at=5))


@pytest.mark.parametrize("started_at", [-9, 9])
def test_a_start_is_recorded_by_the_clock_whenever_it_was(started_at: float) -> None:
    (event,) = given_run().when(starting(started_at=started_at), at=5).decided()
    assert event.recorded_at == seconds(5)


@pytest.mark.parametrize("since", [(), (was_logged(1),), (was_finished(),)])
def test_a_run_starts_once(since: tuple[Fact, ...]) -> None:
    given_run(was_started(), *since).when(starting()).then_refused(DuplicateRunError, run_id="r-1")


def test_the_id_of_a_purged_run_stays_used() -> None:
    given_run(*PURGED).when(starting()).then_refused(DuplicateRunError, run_id="r-1")


@pytest.mark.parametrize(
    ("facts", "action"),
    [
        ((), starting()),
        ((was_started(),), logging()),
        ((was_started(),), RecordReads(READS)),
        ((was_started(),), finishing()),
        ((was_started(),), purging()),
        ((), CountPurge(1, seconds(0))),
    ],
)
def test_every_event_says_who_and_by_which_request(facts: tuple[Fact, ...], action: run.RunAction) -> None:
    (event,) = given_run(*facts).when(action).decided()
    assert (event.originator_id, event.originator_version) == (STREAM, len(facts) + 1)
    assert (event.changed_by, event.request_id, event.recorded_at) == ("ada", "q-1", seconds(1_000))


# ------------------------------------------------------------------------------------------------- log


def test_the_first_line_is_number_1() -> None:
    given_run(was_started()).when(logging(payload={"a": 1}, event_type="error")).then(
        was_logged(1, {"a": 1}, "error")
    )


@pytest.mark.parametrize(
    ("used", "following"), [((1, 2), 3), ((7,), 8), ((0,), 1), ((9, 2, 5), 10), ((5, 4, 3, 2, 1), 6)]
)
def test_the_next_line_follows_the_highest_number(used: tuple[int, ...], following: int) -> None:
    given_run(was_started(), *were_logged(*used)).when(logging()).then(was_logged(following))


@pytest.mark.parametrize("number", [0, 1, 3, 5, 7, 1_000_000])
def test_a_line_may_name_any_number_that_is_free(number: int) -> None:
    given_run(was_started(), *were_logged(2, 4, 6)).when(logging(number)).then(was_logged(number))


@pytest.mark.parametrize("number", [1, 2, 3, 5, 9])
def test_a_number_in_use_is_refused_whoever_chose_it(number: int) -> None:
    given_run(was_started(), *were_logged(1, 2, 3, 9, 5)).when(logging(number)).then_refused(
        DuplicateSequenceError, run_id="r-1", sequence=number
    )


def test_a_finished_run_can_still_be_logged_to() -> None:
    given_run(was_started(), was_finished(), was_logged(1)).when(logging()).then(was_logged(2))


@pytest.mark.parametrize("action", [logging(), logging(1), RecordReads(READS), RecordReads(()), finishing()])
def test_a_run_that_never_started_is_not_found(action: run.RunAction) -> None:
    given_run().when(action).then_refused(RunNotFoundError, run_id="r-1", purged=False)


@pytest.mark.parametrize("action", [logging(), logging(1), RecordReads(READS), RecordReads(()), finishing()])
def test_a_purged_run_is_not_found(action: run.RunAction) -> None:
    given_run(*PURGED).when(action).then_refused(RunNotFoundError, run_id="r-1", purged=True)


# ----------------------------------------------------------------------------------------------- reads


def test_what_a_run_read_is_one_event() -> None:
    given_run(was_started()).when(RecordReads(READS)).then(keys_were_read(*READS))


def test_reading_nothing_is_no_event() -> None:
    given_run(was_started()).when(RecordReads(())).then_nothing()


def test_reads_may_come_late() -> None:
    given_run(was_started(), was_finished()).when(RecordReads(READS)).then(keys_were_read(*READS))


# ---------------------------------------------------------------------------------------------- finish


@pytest.mark.parametrize("status", run.TERMINAL)
def test_a_finish_says_how_the_run_ended(status: str) -> None:
    given_run(was_started(), was_logged(1)).when(finishing(status, **ENDED)).then(was_finished(status, **ENDED))


def test_a_finish_said_again_is_nothing() -> None:
    given_run(was_started(), was_finished(**ENDED)).when(finishing(**ENDED)).then_nothing()


@pytest.mark.parametrize("field", Outcome._fields)
def test_a_finish_that_says_anything_else_is_an_event(field: str) -> None:
    ended = Outcome("ok", **ENDED)._asdict()
    other = ended | {field: "error" if isinstance(ended[field], str) else ended[field] + 1}
    if field == "error":
        other["error"] = "later"
    given_run(was_started(), was_finished(**ended)).when(finishing(**other)).then(was_finished(**other))


def test_only_the_last_finish_holds() -> None:
    past = given_run(was_started(), was_finished("ok"), was_finished("error"), was_logged(1))
    assert past.state.outcome == Outcome("error")
    past.when(finishing("ok")).then(was_finished("ok"))
    past.when(finishing("error")).then_nothing()


def test_a_run_has_no_outcome_until_it_is_finished() -> None:
    assert given_run(was_started(), was_logged(1)).state.outcome is None
    assert given_run(was_started(), was_finished("timeout", **ENDED)).state.outcome == Outcome("timeout", **ENDED)


# ----------------------------------------------------------------------------------------------- purge


@pytest.mark.parametrize("since", [(), (was_logged(1),), (was_finished(),)])
def test_a_purge_is_an_event_whether_the_run_has_ended_or_not(since: tuple[Fact, ...]) -> None:
    given_run(was_started(), *since).when(purging()).then(was_purged())


def test_a_second_purge_is_nothing() -> None:
    given_run(*PURGED).when(purging()).then_nothing()


def test_what_never_started_cannot_be_purged() -> None:
    given_run().when(purging()).then_refused(RunNotFoundError, run_id="r-1", purged=False)


def test_a_purge_leaves_of_the_state_what_its_markers_give_back() -> None:
    said = events_of(was_started(), was_logged(4), keys_were_read(*READS), was_finished(), was_purged())
    kept = events_of(*(stands_purged() for _ in range(4)), was_purged())
    assert fold(RunState(STREAM), said) == fold(RunState(STREAM), kept)
    assert fold(RunState(STREAM), said) == RunState(STREAM, 5, seconds(4), (), purged=True, outcome=None)


def test_the_total_of_a_purge_is_an_event_that_leaves_no_state() -> None:
    counted = Fact(RunsPurged, {"runs": 3, "before": seconds(7)})
    given_run().when(CountPurge(3, seconds(7))).then(counted)
    given_run(counted).when(CountPurge(3, seconds(7))).then(counted)
    assert given_run(counted).state == RunState(STREAM, 1, seconds(0))


# ------------------------------------------------------------------------------------------------ time


@pytest.mark.parametrize("action", [logging(), RecordReads(READS), finishing(), purging()])
def test_time_never_goes_back_within_a_run(action: run.RunAction) -> None:
    (event,) = given_run(was_started(), *were_logged(1, 2, 3)).when(action, at=-100).decided()
    assert event.recorded_at == seconds(3)


@pytest.mark.parametrize(("now", "effective"), [(-1, 2), (2, 2), (3, 3)])
def test_now_is_the_clocks_or_the_last_events_time_whichever_is_later(now: float, effective: float) -> None:
    assert RunState(STREAM, 1, seconds(2)).effective_now(seconds(now)) == seconds(effective)
    assert RunState(STREAM).effective_now(seconds(now)) == seconds(now)


@pytest.mark.parametrize(
    "fact", [was_started(), was_logged(1), keys_were_read(*READS), was_finished(), was_purged(), stands_purged()]
)
def test_every_event_moves_revision_and_time(fact: Fact) -> None:
    before = given_run(was_started()).state
    after = run.evolve(before, fact.event(STREAM, 2).model_copy(update={"recorded_at": seconds(9)}))
    assert (after.id, after.revision, after.last_recorded_at) == (STREAM, 2, seconds(9))


# ----------------------------------------------------------------------------------------------- spans

NUMBERS = st.integers(0, 30)


def spans_of(numbers: set[int]) -> Spans:
    """Spans as a set says them."""
    firsts = sorted(number for number in numbers if number - 1 not in numbers)
    lasts = sorted(number for number in numbers if number + 1 not in numbers)
    return tuple(zip(firsts, lasts, strict=True))


@given(st.lists(NUMBERS, unique=True))
def test_spans_hold_what_a_set_holds(numbers: list[int]) -> None:
    spans: Spans = ()
    for number in numbers:
        spans = using(spans, number)
    assert spans == spans_of(set(numbers))
    assert [number for number in range(-1, 32) if is_used(spans, number)] == sorted(numbers)
    assert next_sequence(spans) == max(numbers, default=0) + 1


@given(st.lists(NUMBERS, unique=True), st.integers(0, 4))
def test_of_too_many_gaps_the_lowest_counts_as_used(numbers: list[int], most: int) -> None:
    model, spans = set[int](), Spans()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "MAX_SEQUENCE_GAPS", most)
        for number in numbers:
            if number in model:
                assert is_used(spans, number)
                continue
            model.add(number)
            spans = using(spans, number)
            if len(spans_of(model)) > most + 1:
                (lowest, _), (_, highest), *_ = spans_of(model)
                model.update(range(lowest, highest + 1))
            assert spans == spans_of(model)


def test_100_gaps_are_remembered_and_the_101st_closes_the_lowest() -> None:
    spans: Spans = ()
    for number in range(1, 202, 2):
        spans = using(spans, number)
    assert len(spans) == 101
    assert not is_used(spans, 2)
    spans = using(spans, 203)
    assert spans[:2] == ((1, 3), (5, 5))
    assert (len(spans), is_used(spans, 2), is_used(spans, 4)) == (101, True, False)


def test_a_line_in_a_gap_that_is_forgotten_is_refused() -> None:
    past = given_run(was_started(), *were_logged(*range(1, 204, 2)))
    past.when(logging(2)).then_refused(DuplicateSequenceError, sequence=2)
    past.when(logging(4)).then(was_logged(4))
    past.when(logging()).then(was_logged(204))


# -------------------------------------------------------------------------------- any order of commands

ACTIONS = st.sampled_from(
    [
        *(starting(), logging(), logging(), logging(3), logging(5)),
        *(RecordReads(READS), finishing(), finishing("error"), purging()),
    ]
)


@given(st.lists(ACTIONS, max_size=20))
def test_whatever_is_asked_revisions_have_no_gap_and_no_number_is_used_twice(actions: list[run.RunAction]) -> None:
    state, events = RunState(STREAM), list[run.RunEvent]()
    for second, action in enumerate(actions):
        try:
            made = decide(RunCommand(action, "q"), state, seconds(second))
        except (DuplicateRunError, DuplicateSequenceError, RunNotFoundError):
            continue
        state = fold(state, made)
        events += made
    assert [event.originator_version for event in events] == list(range(1, len(events) + 1))
    sequences = [event.sequence for event in events if isinstance(event, run.RunLogged)]
    assert len(sequences) == len(set(sequences))
    assert [type(event) for event in events].count(run.RunStarted) == min(len(events), 1)
    assert [type(event) for event in events].count(run.RunPurged) == state.purged
    if not state.purged:
        assert state.sequences == spans_of(set(sequences))
    assert fold(RunState(STREAM), events) == state
