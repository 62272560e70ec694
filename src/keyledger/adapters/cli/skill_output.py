"""How skills look: documents for programs; for people a card, a table, a history, what differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from rich.table import Table
from rich.text import Text

from keyledger.adapters.cli.key_output import BY, REVISION, WHAT, WHEN
from keyledger.adapters.cli.output import count, json_text, line, moment, out, printable
from keyledger.adapters.cli.past_output import told
from keyledger.adapters.cli.tables import Column, print_rows
from keyledger.domain.skills.definition import Skill
from keyledger.domain.skills.records import SkillDiff, SkillRecord, SkillVersion

_STYLES = {"save": "green", "quota": "cyan", "extended_bounds": "cyan", "archive": "red"}


def document(of: SkillRecord | SkillVersion) -> dict[str, Any]:
    """A record or version for programs."""
    found = {each.name: getattr(of, each.name) for each in fields(of)}
    return found | {"skill": None if of.skill is None else of.skill.model_dump(mode="json")}


def diff_document(found: SkillDiff) -> dict[str, Any]:
    """What differs, for programs."""
    return {"before": document(found.before), "after": document(found.after), "patch": found.patch}


def print_skills(records: Iterable[SkillRecord]) -> None:
    """Skills, a row each; times in UTC."""
    print_rows(
        (
            Column("id"),
            Column("name", value=True),
            Column("owner", optional=True),
            Column("tags", optional=True),
            Column("visibility"),
            Column("tier"),
            REVISION,
            Column("saved"),
        ),
        [
            (
                Text(printable(record.id), "dim strike" if record.archived else "cyan"),
                printable(record.skill.name),
                printable(record.skill.owner),
                printable(", ".join(record.skill.tags)),
                printable(record.skill.visibility),
                record.tier,
                str(record.revision),
                moment(record.saved_at),
            )
            for record in records
        ],
    )


def skill_card(record: SkillRecord) -> Table:
    """One skill: where it stands, then each of its fields that says something."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("skill", Text(printable(record.id), "bold cyan"))
    made.add_row("revision", _standing(record))
    made.add_row("saved", f"{moment(record.saved_at)} UTC{_by(record.saved_by)}")
    made.add_row("tier", record.tier + (", trusted" if record.trusted else ""))
    if record.quota_bytes is not None:
        made.add_row("quota", count(record.quota_bytes, "byte"))
    for name, text in _said(record.skill):
        made.add_row(name, text)
    return made


def _standing(record: SkillRecord) -> Text:
    return Text.assemble(str(record.revision), ("  archived", "red") if record.archived else "")


def _by(who: str | None) -> str:
    return f", by {printable(who)}" if who else ""


def _said(skill: Skill) -> list[tuple[str, str]]:
    """The fields that are not as in a skill of which nothing is said."""
    said = skill.model_dump(mode="json", exclude_defaults=True)
    return [(name, _shown(value)) for name, value in said.items()]


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return "\n".join(map(printable, value.splitlines()))
    words = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return printable(", ".join(value)) if words else json_text(value)


def print_versions(versions: Iterable[SkillVersion]) -> None:
    """The changes of a skill, a row each; times in UTC."""
    print_rows(
        (REVISION, WHEN, WHAT, BY, Column("", value=True)),
        [
            (
                str(version.revision),
                moment(version.recorded_at),
                Text(version.operation, _STYLES[version.operation]),
                printable(version.changed_by or ""),
                _detail(version),
            )
            for version in versions
        ],
    )


def _detail(version: SkillVersion) -> str:
    match version.operation:
        case "save":
            return "" if version.skill is None else printable(version.skill.name)
        case "quota":
            return "taken back" if version.quota_bytes is None else count(version.quota_bytes, "byte")
        case "extended_bounds":
            return "granted" if version.extended_bounds else "taken back"
        case _:
            return ""


def print_diff(found: SkillDiff) -> None:
    """What differs between two revisions of a skill, a line for each operation of the patch."""
    name, old, new = printable(found.after.id), found.before, found.after
    what = [f"  {told(step)}" for step in found.patch] + list(_grants(old, new))
    line(
        out(),
        (f"{name} rev {old.revision}", "bold cyan"),
        (" → ", "dim"),
        (f"rev {new.revision}", "bold cyan"),
        ("" if what else "  nothing differs", "dim"),
    )
    for each in what:
        line(out(), (each, ""))


def _grants(old: SkillRecord, new: SkillRecord) -> Iterable[str]:
    """What differs beside the definition."""
    for name in ("trusted", "tier", "extended_bounds", "quota_bytes", "archived"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"  {name} {json_text(before)} → {json_text(after)}"
