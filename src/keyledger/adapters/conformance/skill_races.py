"""Several writers of one skill: threads here, of two ledgers; and interleavings, forced where they are rare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.racing import THREADS, race
from keyledger.adapters.conformance.skill_grants import grant_and_lose, unavailable
from keyledger.adapters.conformance.skill_steps import a_skill, carried, quota_changes, save
from keyledger.domain.errors import InvalidArgumentError, OutcomeUnknownError, RevisionConflictError
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import HeadMovedError
from keyledger.domain.skills.ports import SkillCommit


class SkillRaceContract(Fixtures):
    """What holds under any number of racing writers of skills."""

    def test_racing_saves_with_a_revision_lose_nothing(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]
        save(ledgers[0].skills, description="0")

        def count_up(thread: int) -> None:
            skills, done = ledgers[thread % 2].skills, 0
            while done < 5:
                found = skills.get("weather")
                assert found is not None
                more = a_skill(description=str(int(found.skill.description) + 1))
                done += _passes(lambda: skills.save("weather", more, if_revision=found.revision))  # noqa: B023

        race(count_up)
        last = ledgers[1].skills.get("weather")
        assert last is not None
        assert (last.skill.description, last.revision) == (str(THREADS * 5), THREADS * 5 + 1)
        told = [version.skill for version in reversed(ledgers[0].skills.history("weather").items)]
        assert [skill and skill.description for skill in told] == [str(n) for n in range(THREADS * 5 + 1)]
        assert ledgers[0].rebuild().differences == ()

    def test_of_racing_first_saves_one_wins(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]

        def first(thread: int) -> list[int]:
            skills = ledgers[thread % 2].skills
            skill = a_skill(description=str(thread))
            return [
                number
                for number in range(5)
                if _passes(lambda: skills.save(f"s-{number}", skill, if_revision=0))  # noqa: B023
            ]

        won = race(first)
        assert sorted(number for mine in won for number in mine) == list(range(5))
        for thread, mine in enumerate(won):
            for number in mine:
                found = ledgers[0].skills.get(f"s-{number}")
                assert found is not None
                assert (found.skill.description, found.revision) == (str(thread), 1)

    def test_racing_saves_without_a_revision_all_get_one(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]

        def write(thread: int) -> list[int]:
            skills = ledgers[thread % 2].skills
            return [save(skills, description=f"{thread} {number}").revision for number in range(5)]

        revisions = sorted(revision for mine in race(write) for revision in mine)
        assert revisions == list(range(1, THREADS * 5 + 1))

    def test_of_racing_grants_the_last_one_reaches_the_partition(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]
        save(ledgers[0].skills)

        def grant(thread: int) -> None:
            for number in range(1, 6):
                ledgers[thread % 2].skills.grant_quota("weather", 100 * thread + number)

        race(grant)
        found = ledgers[0].skills.get("weather")
        assert found is not None
        assert ledgers[0].sweep().grants_carried == 0
        assert ledgers[1].partition("weather").usage().max_bytes == found.quota_bytes
        had = [int(request_id.rpartition("@")[2]) for request_id, _ in carried(ledgers[0])]
        assert had == sorted(set(had))
        assert had[-1] == found.revision

    def test_racing_sweeps_carry_a_grant_once(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledgers = [reopen() for _ in range(2)]
        save(ledgers[0].skills)
        grant_and_lose(ledgers[0], monkeypatch, 100)
        assert sum(race(lambda thread: ledgers[thread % 2].sweep().grants_carried)) == 1
        assert carried(ledgers[0]) == [("skill:weather@2", 100)]

    # --------------------------------------------------------------------------- forced interleavings

    def test_a_grant_that_was_carried_in_between_is_not_carried_again(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        save(one.skills)
        _when_a_grant_was_read(one, monkeypatch, two.sweep)
        one.skills.grant_quota("weather", 100)
        assert carried(one) == [("skill:weather@2", 100)]
        assert two.partition("weather").usage().max_bytes == 100

    @pytest.mark.parametrize("later", [200, None])
    def test_an_older_grant_never_goes_over_a_later_one(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch, later: int | None
    ) -> None:
        one, two = reopen(quota=300), reopen(quota=300)
        save(one.skills)
        _when_a_grant_was_read(one, monkeypatch, lambda: two.skills.grant_quota("weather", later))
        one.skills.grant_quota("weather", 100)
        assert carried(one) == [("skill:weather@3", later)]
        assert one.partition("weather").usage().max_bytes == (300 if later is None else later)

    def test_an_older_grant_does_not_go_over_a_quota_that_was_set_by_hand_after_a_later_one(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        save(one.skills)

        def meanwhile() -> None:
            two.skills.grant_quota("weather", 200)
            two.partition("weather").set_quota(50)

        _when_a_grant_was_read(one, monkeypatch, meanwhile)
        one.skills.grant_quota("weather", 100)
        assert [change.max_bytes for change in quota_changes(one)] == [200, 50]

    def test_a_tier_that_was_taken_back_in_between_counts_no_more(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        save(one.skills)
        one.skills.grant_extended_bounds("weather")
        much = a_skill(max_iterations=13)

        def revoke() -> None:
            two.skills.grant_extended_bounds("weather", granted=False)

        _before_the_next_lock(one, monkeypatch, revoke)
        with pytest.raises(InvalidArgumentError, match="extended_bounds"):
            one.skills.save("weather", much)
        found = one.skills.get("weather")
        assert found is not None
        assert (found.revision, found.skill.max_iterations) == (3, 0)

    # ------------------------------------------------------------------------- lost acknowledgements

    def test_a_save_whose_commit_took_place_unheard_is_not_written_again(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        _lose_the_next_commit(one, monkeypatch, lambda: save(two.skills, name="Later"), took_place=True)
        mine = save(one.skills, name="Mine")
        assert (mine.revision, mine.skill.name) == (1, "Mine")
        assert [version.skill and version.skill.name for version in two.skills.history("weather")] == [
            "Later",
            "Mine",
        ]

    def test_a_save_whose_commit_did_not_take_place_is_written(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        _lose_the_next_commit(one, monkeypatch, lambda: save(two.skills, name="First"), took_place=False)
        mine = save(one.skills, name="Mine")
        assert (mine.revision, mine.skill.name) == (2, "Mine")
        assert len(two.skills.history("weather").items) == 2

    def test_a_save_that_was_lost_is_judged_anew(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        _lose_the_next_commit(one, monkeypatch, lambda: save(two.skills, name="First"), took_place=False)
        with pytest.raises(RevisionConflictError):
            one.skills.save("weather", a_skill(), if_revision=0)
        assert len(two.skills.history("weather").items) == 1

    def test_a_grant_whose_commit_took_place_unheard_is_carried_once(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = reopen()
        save(one.skills)
        _lose_the_next_commit(one, monkeypatch, lambda: None, took_place=True)
        assert one.skills.grant_quota("weather", 100).revision == 2
        assert carried(one) == [("skill:weather@2", 100)]

    def test_a_commit_of_which_nobody_can_say_whether_a_skill_was_saved_says_so(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()

        def go_away() -> None:
            monkeypatch.setattr(one.storage.skills, "exclusive", unavailable)

        _lose_the_next_commit(one, monkeypatch, go_away, took_place=True)
        with pytest.raises(OutcomeUnknownError, match=r"skill:weather' .* committed; read before"):
            save(one.skills)
        found = two.skills.get("weather")
        assert found is not None
        assert found.revision == 1


def _when_a_grant_was_read(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Do ``step`` when the ledger's next carrier has read the grant, and before it writes to the partition."""
    skills = ledger.storage.skills
    events = skills.events

    def instead(*args: Any) -> list[Any]:
        monkeypatch.setattr(skills, "events", events)
        found = events(*args)
        step()
        return found

    monkeypatch.setattr(skills, "events", instead)


def _before_the_next_lock(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Do ``step`` just before the ledger takes the lock of a skill."""
    skills = ledger.storage.skills
    exclusive = skills.exclusive

    def instead(stream: str) -> Any:
        monkeypatch.setattr(skills, "exclusive", exclusive)
        step()
        return exclusive(stream)

    monkeypatch.setattr(skills, "exclusive", instead)


def _lose_the_next_commit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: Callable[[], object], *, took_place: bool
) -> None:
    """Nobody hears of the ledger's next commit of a skill; do ``step`` once its lock is let go."""
    skills = ledger.storage.skills
    exclusive = skills.exclusive

    @contextmanager
    def unheard(stream: str) -> Iterator[Any]:
        try:
            with exclusive(stream) as session:
                yield _Unheard(session, took_place=took_place)
        finally:
            step()

    def instead(stream: str) -> Any:
        if skills.exclusive is not instead:  # the writer has it from before
            return skills.exclusive(stream)
        monkeypatch.setattr(skills, "exclusive", exclusive)
        return unheard(stream)

    monkeypatch.setattr(skills, "exclusive", instead)


class _Unheard:
    """A session whose commit is lost on its way there or back."""

    def __init__(self, session: Any, *, took_place: bool) -> None:
        self.load, self.events = session.load, session.events
        self._session, self._took_place = session, took_place

    def commit(self, commit: SkillCommit) -> None:
        if self._took_place:
            self._session.commit(commit)
        raise HeadMovedError(unknown=True)


def _passes(write: Callable[[], object]) -> bool:
    try:
        write()
    except RevisionConflictError:
        return False
    return True
