"""The documentation: its code runs and shows what happens, it names everything, and its links lead somewhere."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
import pytest
import typer.main

import keyledger
import keyledger.domain
from keyledger.adapters.cli.main import app
from keyledger.domain import errors, partition, run, skill
from tests.e2e.blocks import Block, Page, blocks_of, matches, normalised

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
LANGUAGES = {"python", "console"}

NOT_RUN = {
    ("README.md", "make demo\n"): "CI runs it in a fresh clone",
    ("README.md", "make test\n"): "it would run this test",
    ("README.md", "pip install keyledger\n"): "it needs a network",
    ("docs/index.md", "pip install keyledger\n"): "it needs a network",
    ("docs/tutorial/first-ledger.md", "python3 -m venv .venv\n. .venv/bin/activate\npip install keyledger\n"): (
        "it needs a network"
    ),
    ("docs/how-to/test-an-adapter.md", "pip install 'keyledger[testing]'\n"): "it needs a network",
    ("docs/how-to/mcp.md", "pip install 'keyledger[mcp]'\n"): "it needs a network",
    ("docs/how-to/trace.md", "pip install 'keyledger[otel]' opentelemetry-sdk\n"): "it needs a network",
    ("docs/how-to/operate.md", "pip install 'keyledger[postgres]'\n"): "it needs a network",
    ("docs/how-to/operate.md", "pip install 'keyledger[crypto]'\n"): "it needs a network",
    ("docs/how-to/operate.md", 'pg_dump --format=custom --file=agents.dump "$DATABASE_URL"\n'): (
        "the server that the tests bring along has no pg_dump"
    ),
    ("docs/explanation/performance.md", "make bench\n"): "it takes minutes",
    (
        "docs/how-to/write-an-adapter.md",
        '[project.entry-points."keyledger.adapters"]\nshared-memory = "keyledger_shared_memory:open_storage"\n',
    ): "tests/contracts/test_example_adapter.py compares it with the example, and builds that",
    (
        "docs/how-to/scale.md",
        'PGOPTIONS="-c search_path=agents" psql "$DATABASE_URL" -1 -v ON_ERROR_STOP=1 -f tables.sql\n',
    ): "psql is not on the path of the tests; the page does the same from Python",
}
"""Blocks that are shown and not run, each with its reason."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def is_run(block: Block) -> bool:
    return (name_of(block.page), block.text) not in NOT_RUN


# ---------------------------------------------------------------------------------------------- blocks

_databases = count(1)


@pytest.fixture
def database(request: pytest.FixtureRequest, page: Path) -> Iterator[str | None]:
    """The URL of a new database, for a page that speaks of DATABASE_URL."""
    if "DATABASE_URL" not in page.read_text():
        yield None
        return
    server: str = request.getfixturevalue("postgres_url")
    name = f"docs_{os.getpid()}_{next(_databases)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield _without_query(server, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _without_query(server: str, database: str) -> str:
    """The URL of another database of a server; a socket's folder stands as the host, so a page may add a query."""
    parts = urlsplit(server)
    query = dict(parse_qsl(parts.query))
    netloc = parts.netloc + quote(query.pop("host", ""), safe="")
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}", query=urlencode(query)))


@pytest.mark.parametrize("page", [page for page in PAGES if any(map(is_run, blocks_of(page)))], ids=name_of)
def test_the_blocks_of_a_page_do_what_they_show(
    page: Path, tmp_path: Path, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in os.environ if name.startswith("KEYLEDGER_")]:
        monkeypatch.delenv(name)
    if database is not None:
        monkeypatch.setenv("DATABASE_URL", database)
    with Page(tmp_path) as running:
        for block in filter(is_run, blocks_of(page)):
            running.run(block)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_runs_or_says_why_not(page: Path) -> None:
    for block in filter(is_run, blocks_of(page)):
        assert block.language in LANGUAGES, f"{page}:{block.line}: {block.language or 'no language'}"


@pytest.mark.parametrize(
    ("want", "got"),
    [
        ("a\n…\nd", "a\nb\nc\nd"),
        ("a\n…", "a"),
        ("… passed in …", "3 passed in 0.41s"),
        ("at 2026-11-21 14:23:37", "at 2025-01-01 00:00:00  "),
        ('{"request_id":"sN2wUoh5iMuw-1"}', '{"request_id":"diSCkGiuvYPt-42"}'),
    ],
)
def test_what_differs_from_run_to_run_is_the_same(want: str, got: str) -> None:
    assert matches(normalised(want), normalised(got))


@pytest.mark.parametrize(
    ("want", "got"),
    [
        ("a", "b"),
        ("a", ""),
        ("", "a"),
        ("a\nc", "a\nb\nc"),
        ("…\nx", "a\nb"),
        ('{"request_id":"q-1"}', '{"request_id":"q-2"}'),
    ],
)
def test_what_else_differs_does_not_match(want: str, got: str) -> None:
    assert not matches(normalised(want), normalised(got))


@pytest.mark.parametrize(
    "text",
    [
        "# a page\n```console\n$ echo one\ntwo\n```\n",
        "```console\n$ exit 3\n```\n",
        "```python\nassert 1 == 2\n```\n",
        "```python\n>>> 1 + 1\n3\n```\n",
    ],
)
def test_a_page_that_shows_what_does_not_happen_fails(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with Page(tmp_path) as running, pytest.raises(AssertionError):
        for block in blocks_of(page):
            running.run(block)


def test_every_exception_is_still_there() -> None:
    shown = {(name_of(block.page), block.text) for page in PAGES for block in blocks_of(page)}
    assert set(NOT_RUN) <= shown


# ------------------------------------------------------------------------------------------- reference


def public_classes() -> list[type]:
    return [found for name in keyledger.__all__ if inspect.isclass(found := getattr(keyledger, name))]


def error_classes() -> list[type[errors.KeyledgerError]]:
    return [each for each in public_classes() if issubclass(each, errors.KeyledgerError)]


def methods_of(owner: type) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers_static(owner, inspect.isfunction):
        if not name.startswith("_") and not member.__name__.startswith("_"):
            yield name, member


def section(page: str, heading: str) -> str:
    """A section of a reference page, down to the next heading of its level or above."""
    text = (REFERENCE / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"docs/reference/{page} has no heading {heading!r}"
    level = len(found[1])
    following = re.search(rf"^#{{1,{level}}} ", text[found.end() :], re.MULTILINE)
    return text[found.end() : found.end() + following.start()] if following else text[found.end() :]


def signature(name: str, function: Any) -> str:
    """A call as the reference writes it: parameters and their defaults, and what comes back."""
    shown = inspect.signature(function)
    kept = [each.replace(annotation=inspect.Parameter.empty) for each in shown.parameters.values()]
    bare = str(inspect.Signature([each for each in kept if each.name != "self"]))
    return f"{name}{bare} -> {shown.return_annotation}"


def test_all_is_sorted_and_complete() -> None:
    public = {name for name, found in vars(keyledger).items() if not name.startswith("_")}
    modules = {name for name in public if inspect.ismodule(getattr(keyledger, name))}
    assert keyledger.__all__ == sorted(keyledger.__all__)
    assert set(keyledger.__all__) == public - modules - {"annotations"}
    raised = {
        name
        for name, found in vars(errors).items()
        if inspect.isclass(found) and issubclass(found, errors.KeyledgerError)
    }
    assert raised <= set(keyledger.__all__)


@pytest.mark.parametrize("name", keyledger.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    page = "errors.md" if getattr(keyledger, name) in error_classes() else "python.md"
    assert f"`{name}`" in (REFERENCE / page).read_text() or f"`keyledger.{name}`" in (REFERENCE / page).read_text()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (owner, name)
        for owner in (
            keyledger.Ledger,
            keyledger.Partition,
            keyledger.View,
            keyledger.PendingBatch,
            keyledger.Runs,
            keyledger.Skills,
        )
        for name, _ in methods_of(owner)
        if name != "reset_after_fork"  # called by the interpreter
    ],
)
def test_every_method_is_in_the_reference_as_it_is_called(owner: type, name: str) -> None:
    assert f"`{signature(name, getattr(owner, name))}`" in section("python.md", owner.__name__)


def test_open_is_in_the_reference_with_every_option() -> None:
    text = section("python.md", "keyledger.open")
    for parameter in inspect.signature(keyledger.open).parameters.values():
        assert f"`{parameter.name}`" in text


@pytest.mark.parametrize("record", [each for each in public_classes() if is_dataclass(each)])
def test_every_field_of_a_result_is_in_the_reference(record: type) -> None:
    text = section("python.md", record.__name__)
    for field in fields(record):
        assert f"`{field.name}`" in text


def commands(group: Any = None, above: str = "") -> dict[str, Any]:
    """Every command by its name; one of a group has the group's name before its own."""
    found: dict[str, Any] = {}
    top: Any = group or typer.main.get_command(app)
    for name, command in top.commands.items():
        is_group = hasattr(command, "commands")
        found |= commands(command, f"{above}{name} ") if is_group else {f"{above}{name}": command}
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_is_in_the_reference_with_every_option(name: str) -> None:
    text = section("cli.md", f"keyledger {name}")
    for parameter in commands()[name].params:
        if parameter.name in {
            "url",
            "config_file",
            "as_json",
            "help",
        }:  # what every command takes stands at the top, once
            continue
        for option in parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]:
            assert f"`{option}" in text, option


def test_the_global_options_are_in_the_reference() -> None:
    text = section("cli.md", "Every command")
    for parameter in typer.main.get_command(app).params:
        for option in parameter.opts:
            assert f"`{option}" in text, option


@pytest.mark.parametrize("event_type", [*partition.EVENT_TYPES, *run.EVENT_TYPES, *skill.EVENT_TYPES])
def test_every_event_is_in_the_reference_with_its_topic_and_fields(event_type: Any) -> None:
    text = section("events.md", event_type.__name__)
    common = section("events.md", "What every event carries")
    assert f"`{event_type.TOPIC}`" in text
    for field in event_type.model_fields:
        assert f"`{field}`" in text or f"`{field}`" in common


@pytest.mark.parametrize("error", error_classes())
def test_every_error_is_in_the_reference_with_its_code_and_attributes(error: type[errors.KeyledgerError]) -> None:
    text = section("errors.md", error.__name__)
    assert f"`{error.code}`" in text
    if "__init__" in vars(error):
        for name in list(inspect.signature(error).parameters):
            assert f"`{'max' if name == 'maximum' else name}`" in text


CONSTANT = re.compile(r"^\| `(?P<name>[a-z][\w.]*\.[A-Z_]+)` \| (?P<value>-?[\d,.]+) ", re.MULTILINE)
HOME_OF_LIMITS = (
    "keyledger.opening",
    "keyledger.adapters.postgres.connections",
    "keyledger.adapters.postgres.wakes",
    "keyledger.adapters.sqlite.wakes",
    "keyledger.adapters.wakes",
    "keyledger.projections.batching",
    "keyledger.projections.follower",
)


def limits() -> dict[str, Any]:
    """Every public constant of the domain and of opening a ledger that is a number or a time."""
    walked = pkgutil.walk_packages(keyledger.domain.__path__, "keyledger.domain.")
    domain = [each.name for each in walked]
    return {
        f"{name.removeprefix('keyledger.')}.{constant}": value
        for name in (*domain, *HOME_OF_LIMITS)
        for constant, value in vars(importlib.import_module(name)).items()
        if re.fullmatch(r"[A-Z][A-Z_]+", constant) and type(value) in {int, float, timedelta}
    }


def in_units(limit: Any) -> float:
    """A number as the reference shows it: a time in days if it has any, else in seconds."""
    return float(limit.days or limit.total_seconds()) if isinstance(limit, timedelta) else float(limit)


def test_every_limit_is_in_the_reference_with_its_value() -> None:
    text = (REFERENCE / "limits.md").read_text()
    shown = {found["name"]: float(found["value"].replace(",", "")) for found in CONSTANT.finditer(text)}
    known = limits()
    assert {name: in_units(known[name]) for name in shown} == shown
    assert {name.rpartition(".")[2] for name in known} == {name.rpartition(".")[2] for name in shown}


# ----------------------------------------------------------------------------------------------- links

LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    prose = page.read_text()
    for block in blocks_of(page):
        prose = prose.replace(block.text, "")
    for link in LINK.findall(prose):
        target, _, anchor = link.partition("#")
        if urlsplit(link).scheme:
            continue
        file = page.parent / target if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("name", ["domain", "projections", "adapters"])
def test_the_links_at_the_top_lead_to_the_package(name: str) -> None:
    link = ROOT / name
    assert link.is_symlink()
    assert link.readlink() == Path("src/keyledger") / name
    assert link.resolve() == ROOT / "src/keyledger" / name
    assert (link / "__init__.py").is_file()
