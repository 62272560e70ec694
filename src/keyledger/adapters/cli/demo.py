"""The command demo: a recorded agent session, replayed through exec's code path into a database of its own.

The session is ``demo.jsonl``, a file that ``keyledger exec`` takes as it is; blank lines part its chapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from keyledger.adapters.cli.demo_runs import SessionRuns
from keyledger.adapters.cli.demo_story import Call, tell_chapter, tell_end, tell_start
from keyledger.adapters.cli.exec import answers
from keyledger.adapters.cli.output import print_json
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.clock import SystemClock
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.ledger import Ledger
from keyledger.domain.values import parse_json

DEFAULT_FILE = "keyledger-demo.db"
STEP = timedelta(minutes=1)
QUOTA_BYTES = 400

app = typer.Typer()


class SessionClock:
    """A minute from each call to the next, so that time passes in the session and it ends now."""

    def __init__(self, calls: int) -> None:
        self._now = SystemClock().now() - calls * STEP

    def now(self) -> datetime:
        """The time of the call that is being replayed."""
        return self._now

    def advance(self) -> None:
        """On to the next call."""
        self._now += STEP


@command(app, "demo", on_ledger=False)
def replay_demo(
    session: Session,
    *,
    into: Annotated[str, typer.Option("--into", help="The database file to create.")] = DEFAULT_FILE,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Replay a recorded session of several agents into a new database, and show what can be seen then."""
    _make_room(Path(into), force=force)
    url = f"sqlite:///{into}"
    chapters = recorded_chapters()
    clock = SessionClock(sum(map(len, chapters)))
    with Session(url).open(clock=clock) as ledger:
        runs = SessionRuns(ledger, (_fields(line)["invocation"]["run_id"] for line in chain(*chapters)))
        ledger.partition("billing-helper", actor="admin").set_quota(QUOTA_BYTES)
        if not session.as_json:
            tell_start(into)
        calls = list[Call]()
        for number, chapter in enumerate(chapters):
            done = list(replayed(ledger, clock, runs, chapter))
            calls += done
            if not session.as_json:
                tell_chapter(number, done)
        if session.as_json:
            print_json({"url": url, "calls": calls})
        else:
            tell_end(ledger, calls, url)


def recorded_chapters() -> list[list[bytes]]:
    """The session's lines, chapter by chapter."""
    text = files("keyledger.adapters.cli").joinpath("demo.jsonl").read_bytes()
    return [chapter.splitlines() for chapter in text.split(b"\n\n")]


def replayed(ledger: Ledger, clock: SessionClock, runs: SessionRuns, lines: Iterable[bytes]) -> Iterator[Call]:
    """Each line's call, when exec has answered it."""
    for line in lines:
        clock.advance()
        call = _fields(line)
        runs.before(call["invocation"])
        for answer in answers(ledger, [line]):
            done = Call(clock.now(), call["tool"], call["args"], call["invocation"], answer)
            runs.after(done)
            yield done


def _fields(line: bytes) -> Any:
    return parse_json(line)


def _make_room(file: Path, *, force: bool) -> None:
    """Refuse a file that is there; with ``force`` delete it, if it is a database."""
    if not file.exists():
        return
    if not force:
        raise InvalidArgumentError("--into", str(file), "a file that does not exist yet; --force replaces it")
    if not file.is_file() or not _is_database(file):
        raise InvalidArgumentError("--into", str(file), "a new file or, with --force, a SQLite database")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").unlink()


def _is_database(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(16) in {b"", b"SQLite format 3\0"}
