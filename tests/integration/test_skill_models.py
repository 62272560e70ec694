"""The read model of skills beside their log: rebuild after damage, encryption at rest, other versions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.compressor import ZlibCompressor

import keyledger
from keyledger.adapters.conformance.clock import ManualClock

from .test_read_models import cipher, execute
from .test_run_models import postgres_rows, sqlite_rows

SECRETS = ("secret-prompt", "secret-description")


def a_skill(**fields: Any) -> keyledger.Skill:
    return keyledger.Skill(
        name="Weather", system_prompt="secret-prompt", description="secret-description", owner="ada", **fields
    )


def manage_something(ledger: keyledger.Ledger) -> None:
    """Three skills: one that was changed often, one that was granted something, one that is archived."""
    skills = ledger.skills
    skills.save("weather", a_skill(tags=["rain"]), actor="ada")
    skills.save("weather", a_skill(tags=["rain", "sun"]), actor="bo")
    skills.save("fares", a_skill(), author_is_admin=True)
    skills.grant_quota("fares", 5_000)
    skills.grant_extended_bounds("fares")
    skills.save("old", a_skill(visibility="public"))
    skills.archive("old")


def everything(skills: keyledger.Skills) -> list[Any]:
    """Whatever can be read."""
    lists = [skills.list(include_archived=True), skills.list(tag="sun"), skills.list(owner="ada")]
    return [lists, *((skills.get(name), skills.history(name)) for name in ("weather", "fares", "old", "ghost"))]


WEATHER = "WHERE skill_id = 'skill:weather'"
DEFINITION = (
    f"UPDATE skills SET definition = (SELECT definition FROM skills WHERE skill_id = 'skill:fares') {WEATHER}"
)
NO_DEFINITION = f"UPDATE skills SET definition = skill_id {WEATHER}"
DAMAGE = [
    f"UPDATE skills SET revision = revision + 1 {WEATHER}",
    f"UPDATE skills SET last_recorded_at = (SELECT created_at FROM skills WHERE archived) {WEATHER}",
    "UPDATE skills SET name = 'x'",
    "UPDATE skills SET owner = 'eve'",
    "UPDATE skills SET visibility = 'private'",
    f"UPDATE skills SET tags = (SELECT tags FROM skills WHERE skill_id = 'skill:old') {WEATHER}",
    DEFINITION,
    f"UPDATE skills SET trusted = (SELECT trusted FROM skills WHERE skill_id = 'skill:fares') {WEATHER}",
    f"UPDATE skills SET saved_revision = 1 {WEATHER}",
    f"UPDATE skills SET created_at = saved_at {WEATHER}",
    f"UPDATE skills SET saved_by = NULL {WEATHER}",
    "UPDATE skills SET extended_bounds = NOT extended_bounds",
    "UPDATE skills SET max_bytes = NULL",
    "UPDATE skills SET quota_revision = 0",
    "UPDATE skills SET archived = NOT archived",
    f"DELETE FROM skills {WEATHER}",
    "DELETE FROM skills",
    f"UPDATE skills SET skill_id = 'skill:ghost' {WEATHER}",
]


@pytest.mark.parametrize(("damage", "key"), [*((each, None) for each in DAMAGE), (DEFINITION, cipher())])
def test_a_rebuild_reports_and_repairs_rows_of_skills_that_stood_otherwise(
    damage: str, key: Any, options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    clock = ManualClock()
    with reopen(clock=clock, cipher=key) as ledger:
        manage_something(ledger)
        clock.advance(5)
        ledger.skills.save("weather", a_skill(tags=["sun"]), actor="ada")
        before = everything(ledger.skills)
        assert ledger.rebuild().differences == ()
        execute(options, damage)
        report = ledger.rebuild()
        assert report.skills == 4 if "ghost" in damage else 3
        assert report.differences
        assert all("stood" in line for line in report.differences)
        assert ledger.rebuild().differences == ()
        assert everything(ledger.skills) == before
        assert ledger.skills.archive("weather").revision == 4


NOT_READ = {
    "sqlite": [
        NO_DEFINITION,
        f"UPDATE skills SET tags = 'x' {WEATHER}",
        f"UPDATE skills SET saved_at = 'x' {WEATHER}",
        *(
            f"UPDATE skills SET {column} = 'zz' {WEATHER}"
            for column in ("revision", "saved_revision", "max_bytes", "quota_revision", "trusted", "archived")
        ),
        f"UPDATE skills SET extended_bounds = 0.5 {WEATHER}",
        *(
            f"UPDATE skills SET {column} = x'00' {WEATHER}"
            for column in ("name", "owner", "visibility", "saved_by")
        ),
    ],
    "postgres": [NO_DEFINITION.replace("skill_id WHERE", "skill_id::bytea WHERE")],
}


def test_a_row_that_cannot_be_read_says_so_until_it_is_rebuilt(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        manage_something(ledger)
        before = everything(ledger.skills)
        for damage in NOT_READ["sqlite" if options["url"].startswith("sqlite") else "postgres"]:
            execute(options, damage)
            for read in (lambda: ledger.skills.get("weather"), ledger.skills.list):
                with pytest.raises(keyledger.UnreadableError, match="skill:weather"):
                    read()
            assert ledger.skills.get("weather", at=2) == before[1][0]
            assert ledger.rebuild().differences
            assert everything(ledger.skills) == before


@pytest.mark.parametrize("damage", NOT_READ["sqlite"])
def test_no_change_is_decided_on_a_row_that_cannot_be_read(damage: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    with keyledger.open(url) as ledger:
        manage_something(ledger)
        execute({"url": url}, damage)
        changes: list[Callable[[], object]] = [
            lambda: ledger.skills.save("weather", a_skill()),
            lambda: ledger.skills.grant_quota("weather", 5),
        ]
        for change in changes:
            with pytest.raises(keyledger.UnreadableError, match="the row of 'skill:weather'"):
                change()
        assert ledger.rebuild().differences
        assert ledger.skills.history("weather").items[0].revision == 2


def test_a_grant_of_a_row_that_cannot_be_read_keeps_a_sweep_from_nothing(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger], caplog: pytest.LogCaptureFixture
) -> None:
    with reopen(global_quota=10_000_000) as ledger:
        manage_something(ledger)
        ledger.skills.grant_quota("weather", 6_000)
        kv = ledger.partition("fares")
        kv.set("a", "x" * 3_000)
        kv.delete("a")
        execute(options, f"UPDATE skills SET quota_revision = 9 {WEATHER}")
        assert ledger.sweep().bytes_returned > 0
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("skill:weather: its quota is not carried")
        assert ledger.rebuild().differences
        caplog.clear()
        assert ledger.sweep().grants_carried == 0
        assert caplog.records == []


@pytest.mark.parametrize("key", [None, cipher()])
def test_a_write_asks_for_the_tier_of_a_skill_and_not_for_what_it_says(
    key: Any, options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen(cipher=key, tier_quotas={"default": 10, "extended": 20}) as ledger:
        manage_something(ledger)
        engine = "sqlite" if options["url"].startswith("sqlite") else "postgres"
        execute(options, NOT_READ[engine][0])
        kv = ledger.partition("weather")
        kv.set("a", 1)
        assert kv.usage().max_bytes == 10


def test_a_head_that_does_not_match_the_events_asks_for_a_rebuild(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        manage_something(ledger)
        execute(options, f"UPDATE skills SET revision = 1 {WEATHER}")
        with pytest.raises(keyledger.StorageError, match="rebuild the ledger"):
            ledger.skills.archive("weather")
        assert ledger.rebuild().differences
        assert ledger.skills.archive("weather").revision == 3


def test_a_rebuild_tells_of_revisions_of_skills_that_are_missing(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        manage_something(ledger)
        execute(
            options,
            "DELETE FROM stored_events WHERE originator_id = 'skill:fares' AND originator_version = 2",
        )
        for _ in range(2):
            told = [line for line in ledger.rebuild().differences if "revisions are missing" in line]
            assert [line.split()[0] for line in told] == ["skill:fares"]


def test_a_rebuild_comes_by_every_skill_of_many(reopen: Callable[..., keyledger.Ledger]) -> None:
    with reopen() as ledger:
        for number in range(205):
            ledger.skills.save(f"s-{number}", a_skill())
        assert ledger.rebuild().skills == 205


def test_encryption_leaves_nothing_that_a_skill_says_in_the_database(
    options: dict[str, str], tmp_path: Path, reopen: Callable[..., keyledger.Ledger]
) -> None:
    key = cipher()
    with reopen(cipher=key, compressor=ZlibCompressor()) as ledger:
        manage_something(ledger)
        found = ledger.skills.get("weather")
        assert found is not None
        assert found.skill.system_prompt == "secret-prompt"
        assert ledger.rebuild().differences == ()
        assert found_in(options, tmp_path) == set()


def test_what_a_skill_says_is_found_where_nothing_is_encrypted(
    options: dict[str, str], tmp_path: Path, reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        manage_something(ledger)
    assert found_in(options, tmp_path) == set(SECRETS)


def test_another_key_reads_no_skill(reopen: Callable[..., keyledger.Ledger]) -> None:
    with reopen(cipher=cipher()) as ledger:
        manage_something(ledger)
    with pytest.raises(keyledger.KeyledgerError), reopen(cipher=cipher()) as ledger:
        ledger.skills.get("weather")


def found_in(options: dict[str, str], folder: Path) -> set[str]:
    """Which of the secrets stand anywhere in the tables, and on SQLite in the files."""
    files = [path.read_bytes() for path in folder.iterdir()]
    rows = sqlite_rows(options["url"]) if options["url"].startswith("sqlite") else postgres_rows(options)
    assert any("skill:weather" in row for row in rows)
    return {
        secret
        for secret in SECRETS
        if any(secret.encode() in file for file in files)
        or any(secret in row or secret.encode().hex() in row for row in rows)
    }


def test_a_ledger_from_before_there_were_skills_is_migrated(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = "sqlite" if options["url"].startswith("sqlite") else "postgres"
    datastore = importlib.import_module(f"keyledger.adapters.{engine}.datastore")
    with monkeypatch.context() as patched:
        patched.setattr(datastore, "MIGRATIONS", datastore.MIGRATIONS[:4])
        with reopen() as ledger:
            ledger.partition("weather").set("a", 1)
            with pytest.raises(keyledger.StorageError):
                ledger.skills.list()
    with reopen() as ledger:
        manage_something(ledger)
        assert len(ledger.skills.list().items) == 2
        assert ledger.partition("weather").get("a")
        assert ledger.rebuild().differences == ()
