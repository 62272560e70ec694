"""The words of the specs of skills; see ``specs``. Every skill is ``weather``, its events a second apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from keyledger.domain.skill import (
    Archive,
    ExtendedBoundsGranted,
    GrantExtendedBounds,
    GrantQuota,
    Save,
    SkillAction,
    SkillArchived,
    SkillCommand,
    SkillEvent,
    SkillQuotaGranted,
    SkillSaved,
    SkillState,
    decide,
    fold,
)
from keyledger.domain.skills.definition import Skill
from keyledger.domain.skills.options import ValidateOptions

from .specs import START, Fact, Spec

STREAM = "skill:weather"


def a_skill(**fields: Any) -> Skill:
    return Skill(**{"name": "Weather", "system_prompt": "Tell it.", **fields})


def seconds(count: float) -> datetime:
    return START + timedelta(seconds=count)


def was_saved(*, trusted: bool = False, **fields: Any) -> Fact:
    return Fact(SkillSaved, {"trusted": trusted, "definition": a_skill(**fields).model_dump_json().encode()})


def was_granted_quota(max_bytes: int | None) -> Fact:
    return Fact(SkillQuotaGranted, {"max_bytes": max_bytes})


def was_granted_extended_bounds(*, granted: bool = True) -> Fact:
    return Fact(ExtendedBoundsGranted, {"granted": granted})


def was_archived() -> Fact:
    return Fact(SkillArchived, {})


def saving(
    if_revision: int | None = None,
    options: ValidateOptions = ValidateOptions(),  # noqa: B008 - frozen
    *,
    admin: bool = False,
    **fields: Any,
) -> Save:
    return Save(a_skill(**fields), replace(options, author_is_admin=admin), if_revision)


def granting_quota(max_bytes: int | None) -> GrantQuota:
    return GrantQuota(max_bytes)


def granting_extended_bounds(*, granted: bool = True) -> GrantExtendedBounds:
    return GrantExtendedBounds(granted)


def archiving() -> Archive:
    return Archive()


class given_skill(Spec):  # noqa: N801 - reads as a word in a sentence
    """``given_skill(was_saved()).when(archiving()).then(was_archived())``"""

    def __init__(self, *facts: Fact) -> None:
        self.state = fold(SkillState(STREAM), events_of(*facts))
        self.revision = self.state.revision
        self._command: SkillCommand | None = None

    def when(self, action: SkillAction, *, at: float = 1_000) -> given_skill:
        self._command = SkillCommand(action, "q-1", "ada")
        self._now = seconds(at)
        return self

    def _decide(self) -> Sequence[SkillEvent]:
        assert self._command is not None
        return decide(self._command, self.state, self._now)


def events_of(*facts: Fact) -> list[SkillEvent]:
    """The events of facts, in the skill's stream."""
    events = [fact.event(STREAM, revision) for revision, fact in enumerate(facts, 1)]
    return [event.model_copy(update={"recorded_at": seconds(at)}) for at, event in enumerate(events)]
