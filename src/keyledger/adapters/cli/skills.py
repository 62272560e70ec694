"""Commands on skills: save, get, list, history, diff, validate, grant-quota, grant-extended-bounds, archive."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Annotated

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.output import count, out, print_json, printable, say
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.cli.skill_files import read_skill
from keyledger.adapters.cli.skill_output import (
    diff_document,
    document,
    print_diff,
    print_skills,
    print_versions,
    skill_card,
)
from keyledger.adapters.cli.times import DURATIONS, time_or_age
from keyledger.adapters.clock import SystemClock
from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.errors import InvalidArgumentError, SkillNotFoundError
from keyledger.domain.skills.records import SkillRecord

app = typer.Typer()

Id = Annotated[str, typer.Argument(metavar="ID", help="The skill's id.", show_default=False)]
File = Annotated[
    str,
    typer.Argument(metavar="FILE", help="The skill as JSON or YAML; - is standard input.", show_default=False),
]
Admin = Annotated[bool, typer.Option("--admin", help="An admin wrote it: no ceilings and caps.")]
Builtin = Annotated[bool, typer.Option("--builtin", help="The product itself brings it: no ceilings and caps.")]
_WHEN = f"a revision, a time with an offset as 2026-11-21T14:00:00Z, or an age ({DURATIONS})"


@app.callback(invoke_without_command=True)
def about(context: typer.Context) -> None:
    """Skills: what agents run, every version of it, and what was granted to it."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@command(app, "save")
def save_skill(
    session: Session,
    skill_id: Id,
    file: File,
    *,
    actor: opt.Actor = None,
    admin: Admin = False,
    builtin: Builtin = False,
    if_revision: Annotated[
        int | None, typer.Option("--if-revision", help="Only if that is the skill's last; 0: only if it is new.")
    ] = None,
) -> None:
    """Save a skill, if it keeps the rules; an archived one is back in use."""
    skill = read_skill(file)
    with session.open() as ledger:
        former = ledger.skills.get(skill_id)
        saved = ledger.skills.save(
            skill_id, skill, actor=actor, author_is_admin=admin, is_builtin=builtin, if_revision=if_revision
        )
    same = former is not None and former.revision == saved.revision
    _tell(session, saved, "unchanged" if same else "saved")


@command(app, "get")
def get_skill(
    session: Session,
    skill_id: Id,
    *,
    at: Annotated[str | None, typer.Option("--at", metavar="WHEN", help="As of a revision, time or age.")] = None,
) -> None:
    """Show a skill, as it is or was. Exit status 1 if there is none."""
    when = None if at is None else _when("at", at)
    with session.open(create=False) as ledger:
        found = ledger.skills.get(skill_id, at=when)
        if found is None:
            raise SkillNotFoundError(skill_id, None if ledger.skills.get(skill_id) is None else when)
    if session.as_json:
        print_json(document(found))
    else:
        out().print(skill_card(found))


@command(app, "list")
def list_skills(
    session: Session,
    *,
    owner: Annotated[str, typer.Option("--owner", help="Only of this owner.")] = "",
    tag: Annotated[str, typer.Option("--tag", help="Only with this tag.")] = "",
    visibility: Annotated[
        str, typer.Option("--visibility", help="Only private, shared or public ones, or what is configured.")
    ] = "",
    archived: Annotated[bool, typer.Option("--include-archived", help="Archived ones too.")] = False,
    limit: opt.Limit = DEFAULT_PAGE,
    after: opt.After = "",
) -> None:
    """List skills, by id."""
    with session.open(create=False) as ledger:
        page = ledger.skills.list(
            owner=owner, tag=tag, visibility=visibility, include_archived=archived, limit=limit, after=after
        )
    if session.as_json:
        print_json({"skills": list(map(document, page)), "next": page.next})
        return
    if page.items:
        print_skills(page)
    else:
        say("no such skills", "dim")
    if page.next is not None:
        say(f"there are more: --after {shlex.quote(printable(str(page.next)))}", "dim")


@command(app, "history")
def show_history(
    session: Session,
    skill_id: Id,
    *,
    limit: opt.Limit = DEFAULT_PAGE,
    before: Annotated[int | None, typer.Option("--before", help="Continue before this revision.")] = None,
) -> None:
    """Show the changes of a skill, newest first. Exit status 1 if there is none."""
    with session.open(create=False) as ledger:
        page = ledger.skills.history(skill_id, limit=limit, before=before)
        if not page.items and ledger.skills.get(skill_id) is None:
            raise SkillNotFoundError(skill_id)
    if session.as_json:
        print_json({"skill": skill_id, "versions": list(map(document, page)), "next": page.next})
        return
    if page.items:
        print_versions(page)
    else:
        say("no changes before that", "dim")
    if page.next is not None:
        say(f"there are more: --before {page.next}", "dim")


@command(app, "diff")
def diff_skill(
    session: Session,
    skill_id: Id,
    before: Annotated[
        str, typer.Argument(metavar="WHEN", help="A revision, time or age as 2h.", show_default=False)
    ],
    after: Annotated[
        str | None, typer.Argument(metavar="WHEN", help="The same; now unless given.", show_default=False)
    ] = None,
) -> None:
    """Compare a skill with itself at another time. Exit status 1 if it was not there."""
    then, later = _when("before", before), None if after is None else _when("after", after)
    with session.open(create=False) as ledger:
        found = ledger.skills.diff(skill_id, then, later)
    if session.as_json:
        print_json(diff_document(found))
    else:
        print_diff(found)


@command(app, "validate")
def validate_skill(
    session: Session,
    file: File,
    *,
    admin: Admin = False,
    builtin: Builtin = False,
    extended_bounds: Annotated[
        bool, typer.Option("--extended-bounds", help="As if they were granted to the skill.")
    ] = False,
) -> None:
    """Check a skill as save would, without a ledger. Exit status 2, and the first rule that is broken, if any."""
    options = session.config().skill_options(
        author_is_admin=admin, is_builtin=builtin, extended_bounds=extended_bounds
    )
    skill = read_skill(file).validate(options)
    if session.as_json:
        print_json({"ok": True, "skill": skill.model_dump(mode="json")})
    else:
        say(f"{printable(skill.name)}: keeps the rules of the {options.tier} tier", "green")


@command(app, "grant-quota")
def grant_quota(
    session: Session,
    skill_id: Id,
    max_bytes: Annotated[
        str,
        typer.Argument(metavar="BYTES", help="Of the skill's partition; none takes it back.", show_default=False),
    ],
    *,
    actor: opt.Actor = None,
) -> None:
    """Let a skill's partition use so many bytes, whatever its tier's quota is."""
    granted = _bytes(max_bytes)
    with session.open(create=False) as ledger:
        record = ledger.skills.grant_quota(skill_id, granted, actor=actor)
    _tell(session, record, "has no quota of its own" if granted is None else f"may use {count(granted, 'byte')}")


@command(app, "grant-extended-bounds")
def grant_extended_bounds(
    session: Session,
    skill_id: Id,
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
    actor: opt.Actor = None,
) -> None:
    """Let a skill be saved with the higher caps of the extended tier."""
    with session.open(create=False) as ledger:
        record = ledger.skills.grant_extended_bounds(skill_id, not revoke, actor=actor)
    _tell(session, record, f"is of the {record.tier} tier")


@command(app, "archive")
def archive_skill(session: Session, skill_id: Id, *, actor: opt.Actor = None) -> None:
    """Take a skill out of use; its past and its keys stay, and a save brings it back."""
    with session.open(create=False) as ledger:
        record = ledger.skills.archive(skill_id, actor=actor)
    _tell(session, record, "archived")


def _tell(session: Session, record: SkillRecord, what: str) -> None:
    if session.as_json:
        print_json(document(record))
    else:
        say(f"{printable(record.id)} {what}: revision {record.revision}, tier {record.tier}")


def _when(field: str, text: str) -> int | datetime:
    if text.isdecimal() and text.isascii():
        return int(text)
    try:
        found = time_or_age(field, text, SystemClock().now())
    except InvalidArgumentError:
        found = None
    if found is None:
        raise InvalidArgumentError(field, text, _WHEN)
    return found


def _bytes(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isdecimal() and text.isascii()):
        raise InvalidArgumentError("max_bytes", text, "a number of bytes, or none to take the grant back")
    return int(text)
