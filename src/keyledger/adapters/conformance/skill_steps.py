"""What the tests of skills do again and again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keyledger.domain.ledger import Ledger
from keyledger.domain.partition import QuotaChanged
from keyledger.domain.skills.definition import Skill
from keyledger.domain.skills.records import SkillRecord
from keyledger.domain.skills.skills import Skills


def a_skill(**fields: Any) -> Skill:
    """A skill that keeps the rules."""
    return Skill(**{"name": "Weather", "system_prompt": "Tell the weather.", **fields})


def save(skills: Skills, skill_id: str = "weather", /, **fields: Any) -> SkillRecord:
    """Save a skill that keeps the rules."""
    return skills.save(skill_id, a_skill(**fields), actor="ada")


def ids(found: Iterable[SkillRecord]) -> list[str]:
    """The ids of skills, in their order."""
    return [record.id for record in found]


def quota_changes(ledger: Ledger, partition: str = "weather") -> list[QuotaChanged]:
    """The changes of a partition's own quota, as its stream has them."""
    events = ledger.storage.events(f"partition:{partition}", 0, 10_000)
    return [event for event in events if isinstance(event, QuotaChanged)]


def carried(ledger: Ledger, partition: str = "weather") -> list[tuple[str, int | None]]:
    """The request ids of those changes, and what they allow."""
    return [(change.request_id, change.max_bytes) for change in quota_changes(ledger, partition)]
