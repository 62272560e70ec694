"""The skills read model: a row for each skill, inline in its own stream."""

from __future__ import annotations

from keyledger.domain.skill import SkillState, skill_in
from keyledger.domain.skills.ports import SkillRow


def project(state: SkillState) -> SkillRow:
    """The row of a skill that was saved; what it is listed by comes out of its definition."""
    saved, last_recorded_at = state.saved, state.last_recorded_at
    assert saved is not None  # noqa: S101 - every event but the first follows a save
    assert last_recorded_at is not None  # noqa: S101
    skill = skill_in(state.id, saved.definition)
    return SkillRow(
        state.id,
        state.revision,
        last_recorded_at,
        skill.name,
        skill.owner,
        skill.visibility,
        skill.tags,
        saved.definition,
        saved.trusted,
        saved.revision,
        saved.created_at,
        saved.saved_at,
        saved.saved_by,
        state.extended_bounds,
        state.max_bytes,
        state.quota_revision,
        state.archived,
    )
