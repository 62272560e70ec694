"""Rebuilding the row of one skill from its events."""

from __future__ import annotations

from collections.abc import Sequence

from keyledger.adapters.rebuild import differing, missing
from keyledger.domain.skill import SkillEvent, SkillState, fold
from keyledger.domain.skills.ports import SkillProjector, SkillRow


def rebuilt_skill(
    stream: str, events: Sequence[SkillEvent], standing: SkillRow | None, project: SkillProjector
) -> tuple[SkillRow | None, list[str]]:
    """The row that the events make, none without a save, and a line for each thing that stood otherwise."""
    state = fold(SkillState(stream), events)
    row = None if state.saved is None else project(state)
    lines = differing("skills", [standing] if standing else [], [row] if row else [], key=1)
    if len(events) != state.revision:
        lines.append(missing(stream, len(events), state.revision))
    return row, lines
