"""What users get back of skills. All of it immutable; times are UTC, sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keyledger.domain.skill import SkillOperation
from keyledger.domain.skills.definition import Skill
from keyledger.domain.values import JSONValue


@dataclass(frozen=True, slots=True)
class SkillRecord:
    """A skill as it stands, or stood: what its author wrote, and what was granted to it.

    ``revision`` is the skill's last, ``saved_revision`` that of the save which wrote ``skill``. ``tier`` says
    whose caps hold: ``default``, or ``extended`` for a skill with ``extended_bounds`` or by a trusted author
    (``trusted``: an admin, or the product itself). ``quota_bytes`` is what was granted to its partition, None if
    nothing was.
    """

    id: str
    skill: Skill
    revision: int
    saved_revision: int
    created_at: datetime
    saved_at: datetime
    saved_by: str | None
    trusted: bool
    tier: str
    extended_bounds: bool
    quota_bytes: int | None
    archived: bool


@dataclass(frozen=True, slots=True)
class SkillVersion:
    """One change of a skill: ``operation`` is save, quota, extended_bounds or archive.

    ``skill`` is what was saved, ``trusted`` whether by an admin or the product itself; ``quota_bytes`` is what was
    granted (None: taken back), ``extended_bounds`` likewise. Each is None where the operation says nothing of it.
    """

    revision: int
    operation: SkillOperation
    recorded_at: datetime
    changed_by: str | None
    skill: Skill | None = None
    trusted: bool | None = None
    quota_bytes: int | None = None
    extended_bounds: bool | None = None


@dataclass(frozen=True, slots=True)
class SkillDiff:
    """How a skill differs between two of its revisions.

    ``patch`` holds the operations (RFC 6902) that make the definition of the one into that of the other; none
    where only a grant differs.
    """

    before: SkillRecord
    after: SkillRecord
    patch: tuple[dict[str, JSONValue], ...]
