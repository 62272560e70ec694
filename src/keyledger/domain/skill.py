"""The skill: what an author wrote for agents to run, and what was granted to it, as a decider.

Reads top to bottom: stream name, events, state, ``evolve``, commands, ``decide``. Everything here is pure. What a
skill may say is :mod:`keyledger.domain.skills.validation`'s to judge, on the grants that the state holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Literal, NamedTuple, TypeAlias, assert_never

from keyledger.domain.errors import (
    InvalidArgumentError,
    RevisionConflictError,
    SkillNotFoundError,
    UnreadableError,
)
from keyledger.domain.event import Event, UTCDatetime
from keyledger.domain.skills.definition import Skill
from keyledger.domain.skills.options import ValidateOptions, tier_of
from keyledger.domain.strict import UnknownFieldError

STREAM_PREFIX = "skill:"


def skill_stream(skill_id: str) -> str:
    """The stream of a skill: ``skill:<id>``, the text that its events have as originator_id."""
    return STREAM_PREFIX + skill_id


def skill_of(stream: str) -> str:
    """The id of the skill whose stream this is."""
    return stream.removeprefix(STREAM_PREFIX)


# ---------------------------------------------------------------------------------------------- events
# As for partitions: topics and field names are the storage format, and so are the fields of a definition.


class SkillSaved(Event):
    """A skill was written, or written anew: ``definition`` is its JSON text, normalised.

    ``trusted`` says that an admin or the product itself wrote it.
    """

    TOPIC = "skill.SkillSaved"
    BODY: ClassVar[str] = "definition"
    trusted: bool = False
    definition: bytes


class SkillQuotaGranted(Event):
    """The skill's partition may use ``max_bytes``; None takes the grant back."""

    TOPIC = "skill.SkillQuotaGranted"
    max_bytes: int | None = None


class ExtendedBoundsGranted(Event):
    """The skill may use the caps of the extended tier; not any more, where ``granted`` is false."""

    TOPIC = "skill.ExtendedBoundsGranted"
    granted: bool = True


class SkillArchived(Event):
    """The skill is out of use. Its past stays; saved again, it is back, with what was granted to it."""

    TOPIC = "skill.SkillArchived"


SkillEvent: TypeAlias = SkillSaved | SkillQuotaGranted | ExtendedBoundsGranted | SkillArchived

EVENT_TYPES: tuple[type[SkillEvent], ...] = (SkillSaved, SkillQuotaGranted, ExtendedBoundsGranted, SkillArchived)


SkillOperation: TypeAlias = Literal["save", "quota", "extended_bounds", "archive"]


def operation_of(event: SkillEvent) -> SkillOperation:
    """The word for what an event did, as histories tell it."""
    match event:
        case SkillSaved():
            return "save"
        case SkillQuotaGranted():
            return "quota"
        case ExtendedBoundsGranted():
            return "extended_bounds"
        case SkillArchived():
            return "archive"
        case _:
            assert_never(event)


# ----------------------------------------------------------------------------------------------- state


def skill_in(stream: str, definition: bytes) -> Skill:
    """The skill that a stored definition is of; UnreadableError if it is of none."""
    try:
        return Skill.model_validate_json(definition)
    except UnknownFieldError:
        flaw = "it has a field that is unknown here"
    except InvalidArgumentError as error:
        flaw = f"{error.field}: allowed is {error.allowed}"
    except ValueError:
        flaw = "it is not JSON"
    raise UnreadableError(f"a definition of {stream!r}", flaw)


class Saved(NamedTuple):
    """How a skill was last saved; ``created_at`` is when it first was."""

    definition: bytes
    trusted: bool
    revision: int
    created_at: UTCDatetime
    saved_at: UTCDatetime
    saved_by: str | None


class SkillState(NamedTuple):
    """A skill as its events left it. ``quota_revision`` is the one that granted ``max_bytes``, 0 if none did."""

    id: str
    revision: int = 0
    last_recorded_at: datetime | None = None
    saved: Saved | None = None
    extended_bounds: bool = False
    max_bytes: int | None = None
    quota_revision: int = 0
    archived: bool = False

    @property
    def tier(self) -> str:
        """Which caps hold for it: those of the ``extended`` tier or of the ``default`` one."""
        return tier_of(trusted=self.saved is not None and self.saved.trusted, extended_bounds=self.extended_bounds)

    def effective_now(self, now: datetime) -> datetime:
        """``now``, or the last event's time if the clock is behind it: time never goes back here."""
        return now if self.last_recorded_at is None or now > self.last_recorded_at else self.last_recorded_at


# ---------------------------------------------------------------------------------------------- evolve


def evolve(state: SkillState, event: SkillEvent) -> SkillState:
    """The state after ``event``."""
    after = state._replace(revision=event.originator_version, last_recorded_at=event.recorded_at)
    match event:
        case SkillSaved():
            return after._replace(saved=_saved(state, event), archived=False)
        case SkillQuotaGranted():
            return after._replace(max_bytes=event.max_bytes, quota_revision=event.originator_version)
        case ExtendedBoundsGranted():
            return after._replace(extended_bounds=event.granted)
        case SkillArchived():
            return after._replace(archived=True)
        case _:
            assert_never(event)


def _saved(state: SkillState, event: SkillSaved) -> Saved:
    now = event.recorded_at
    created_at = now if state.saved is None else state.saved.created_at
    return Saved(event.definition, event.trusted, event.originator_version, created_at, now, event.changed_by)


def fold(state: SkillState, events: Iterable[SkillEvent]) -> SkillState:
    """The state after all of ``events``."""
    for event in events:
        state = evolve(state, event)
    return state


# -------------------------------------------------------------------------------------------- commands


class Save(NamedTuple):
    """Write a skill, if ``options``, with what was granted to it, let it be."""

    skill: Skill
    options: ValidateOptions
    if_revision: int | None = None


class GrantQuota(NamedTuple):
    """Let the skill's partition use so many bytes, or (None) take the grant back."""

    max_bytes: int | None


class GrantExtendedBounds(NamedTuple):
    """Let the skill use the caps of the extended tier, or not any more."""

    granted: bool


class Archive(NamedTuple):
    """Take the skill out of use."""


SkillAction: TypeAlias = Save | GrantQuota | GrantExtendedBounds | Archive


class SkillCommand(NamedTuple):
    """An action, who asks for it, and an id that tells its event from everybody else's."""

    action: SkillAction
    request_id: str
    changed_by: str | None = None


# ---------------------------------------------------------------------------------------------- decide


def decide(command: SkillCommand, state: SkillState, now: datetime) -> Sequence[SkillEvent]:
    """The event that ``command`` makes of ``state`` at ``now``; none where it changes nothing.

    Raises:
        InvalidArgumentError: the skill breaks a rule.
        RevisionConflictError: ``if_revision`` does not hold.
        SkillNotFoundError: no such skill was saved.
    """
    made = _made(command.action, state)
    if made is None:
        return []
    kind, fields = made
    by = {"changed_by": command.changed_by, "request_id": command.request_id}
    return [kind.after(state.id, state.revision, recorded_at=state.effective_now(now), **by, **fields)]


def _made(action: SkillAction, state: SkillState) -> tuple[type[SkillEvent], dict[str, object]] | None:
    """The type and the own fields of the event that ``action`` makes, if it makes one."""
    if not isinstance(action, Save) and state.saved is None:
        raise SkillNotFoundError(skill_of(state.id))
    match action:
        case Save():
            return _save(action, state)
        case GrantQuota():
            return SkillQuotaGranted, action._asdict()  # also what holds: a quota set by hand may stand in its way
        case GrantExtendedBounds():
            same = action.granted == state.extended_bounds
            return None if same else (ExtendedBoundsGranted, action._asdict())
        case Archive():
            return None if state.archived else (SkillArchived, {})
        case _:
            assert_never(action)


def _save(action: Save, state: SkillState) -> tuple[type[SkillEvent], dict[str, object]] | None:
    if action.if_revision is not None and action.if_revision != state.revision:
        raise RevisionConflictError(skill_of(state.id), expected=action.if_revision, found=state.revision)
    options = replace(action.options, extended_bounds=state.extended_bounds)
    definition = action.skill.validate(options).model_dump_json().encode()
    trusted, saved = options.is_trusted, state.saved
    if saved is not None and not state.archived and (saved.definition, saved.trusted) == (definition, trusted):
        return None
    return SkillSaved, {"definition": definition, "trusted": trusted}
