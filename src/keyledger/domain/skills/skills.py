"""Skills as users hold them: what agents run, who may use it, what was granted to it, and every version of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from keyledger.domain import arguments
from keyledger.domain.engine import Engine
from keyledger.domain.errors import (
    ForkIncompleteError,
    InvalidArgumentError,
    RevisionNotFoundError,
    SkillNotFoundError,
    StorageError,
)
from keyledger.domain.past.difference import patch_of
from keyledger.domain.records import Page
from keyledger.domain.scope import MAX_ID_BYTES, check_id
from keyledger.domain.skill import (
    Archive,
    ExtendedBoundsGranted,
    GrantExtendedBounds,
    GrantQuota,
    Save,
    SkillAction,
    SkillEvent,
    SkillQuotaGranted,
    SkillSaved,
    SkillState,
    fold,
    operation_of,
    skill_in,
    skill_of,
    skill_stream,
)
from keyledger.domain.skills.definition import Skill
from keyledger.domain.skills.grants import Grants, tell_left
from keyledger.domain.skills.ports import SkillFilter, SkillProjector
from keyledger.domain.skills.records import SkillDiff, SkillRecord, SkillVersion
from keyledger.domain.skills.validation import MAX_SKILL_BYTES, check_visibility, normalised_tag
from keyledger.domain.skills.writer import SkillWriter
from keyledger.domain.values import MAX_INTEGER

_A_MOMENT = "a revision or an aware datetime"


class Skills:
    """Every skill of a ledger. Safe to share between threads.

    Arguments are checked: InvalidArgumentError names the field, what came and what is allowed.
    """

    def __init__(self, engine: Engine, project: SkillProjector, grants: Grants) -> None:
        self._engine, self._storage, self._grants = engine, engine.storage.skills, grants
        self._writer = SkillWriter(self._storage, project, engine.clock)

    # ------------------------------------------------------------------------------------- writing

    def save(
        self,
        skill_id: str,
        skill: Skill | Mapping[str, Any],
        *,
        actor: str | None = None,
        author_is_admin: bool = False,
        is_builtin: bool = False,
        if_revision: int | None = None,
    ) -> SkillRecord:
        """Write a skill, or write it anew; what it says now, normalised.

        It is judged by :meth:`Skill.validate` with the ledger's options and what was granted to the skill. What
        says nothing new makes no revision. An archived skill is back in use. ``if_revision`` is the skill's last,
        0 for one that was never saved.

        Raises:
            InvalidArgumentError: the skill breaks a rule.
            RevisionConflictError: ``if_revision`` does not hold.
        """
        arguments.check_revision("if_revision", if_revision)
        written = skill if type(skill) is Skill else Skill.model_validate(_fields_of(skill))
        for field, flag in (("author_is_admin", author_is_admin), ("is_builtin", is_builtin)):
            if type(flag) is not bool:
                raise InvalidArgumentError(field, flag, "True or False")
        own = self._engine.settings.skill_options
        options = replace(own, author_is_admin=author_is_admin, is_builtin=is_builtin)
        return self._do(skill_id, Save(written, options, if_revision), actor)

    def grant_quota(self, skill_id: str, max_bytes: int | None, *, actor: str | None = None) -> SkillRecord:
        """Let the skill's partition use ``max_bytes``, or (None) take that back; it goes before any other quota.

        What holds is the last of a grant, also of what was granted before, and a :meth:`Partition.set_quota`. One
        that is taken back leaves the quota of the tier, else the configured one, not what was set before it. The
        partition gets a grant as a QuotaChanged event, once it is saved. Where that fails, it stands all the same:
        the logger ``keyledger`` is told, and the next sweep carries it over.

        Raises:
            SkillNotFoundError: no such skill was saved.
        """
        if max_bytes is not None:
            arguments.check_integer("max_bytes", max_bytes, 0)
        granted = self._do(skill_id, GrantQuota(max_bytes), actor)
        try:
            self._grants.carry(skill_stream(skill_id))
        except (ForkIncompleteError, StorageError) as error:  # it is saved, and they say that nothing was written
            tell_left(skill_stream(skill_id), error)
        return granted

    def grant_extended_bounds(
        self,
        skill_id: str,
        granted: bool = True,  # noqa: FBT001, FBT002 - it is what is granted
        *,
        actor: str | None = None,
    ) -> SkillRecord:
        """Let the skill use the caps of the extended tier from its next save on, or not any more.

        Raises:
            SkillNotFoundError: no such skill was saved.
        """
        if type(granted) is not bool:
            raise InvalidArgumentError("granted", granted, "True or False")
        return self._do(skill_id, GrantExtendedBounds(granted), actor)

    def archive(self, skill_id: str, *, actor: str | None = None) -> SkillRecord:
        """Take a skill out of use. Its past stays, and so do the keys of its partition.

        Raises:
            SkillNotFoundError: no such skill was saved.
        """
        return self._do(skill_id, Archive(), actor)

    def _do(self, skill_id: str, action: SkillAction, actor: str | None) -> SkillRecord:
        arguments.check_actor(actor)
        stream = _stream(skill_id)
        return _record(self._writer.execute(stream, action, changed_by=actor))

    # ------------------------------------------------------------------------------------- reading

    def get(self, skill_id: str, *, at: int | datetime | None = None) -> SkillRecord | None:
        """The skill, or as it was ``at`` one of its revisions or an aware time; None if it was not there.

        Raises:
            RevisionNotFoundError: the skill has not reached that revision.
            InvalidArgumentError: a naive time, or one that has not come.
        """
        return self._then("at", _stream(skill_id), at)

    def list(
        self,
        *,
        owner: str = "",
        tag: str = "",
        visibility: str = "",
        include_archived: bool = False,
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[SkillRecord]:
        """The skills with this owner, tag and visibility, in UTF-8 byte order of their ids.

        An empty condition is none. A tag is looked for as it is kept: a blank one, which no skill has, is refused,
        and so is a visibility that is not known. ``limit`` is 1 to 1,000; a page's ``next`` is the ``after`` that
        continues it.
        """
        for field, text in (("owner", owner), ("tag", tag), ("visibility", visibility)):
            arguments.check_start(field, text, MAX_SKILL_BYTES)
        if tag and not normalised_tag(tag):
            raise InvalidArgumentError("tag", tag, "a tag, which is never blank, or '' for any")
        if visibility:
            check_visibility(visibility, self._engine.settings.skill_options)
        if type(include_archived) is not bool:
            raise InvalidArgumentError("include_archived", include_archived, "True or False")
        arguments.check_start("after", after, MAX_ID_BYTES)
        arguments.check_page(limit)
        wanted = SkillFilter(owner, normalised_tag(tag), visibility, include_archived)
        found = self._storage.list_skills(wanted, skill_stream(after), limit + 1)
        records = tuple(map(_record, found[:limit]))
        return Page(records, records[-1].id if len(found) > limit else None)

    def history(
        self, skill_id: str, *, limit: int = arguments.DEFAULT_PAGE, before: int | None = None
    ) -> Page[SkillVersion]:
        """The changes of a skill, newest first; empty if it never was.

        A page's ``next`` is the ``before`` (a revision) that continues it.
        """
        arguments.check_page(limit)
        arguments.check_revision("before", before)
        stream = _stream(skill_id)
        head = self._storage.load(stream).revision
        last = head if before is None else min(before - 1, head)
        if last < 1:
            return Page((), None)
        first = max(1, last - limit + 1)
        events = self._storage.events(stream, first - 1, last - first + 1)
        return Page(tuple(map(version_of, reversed(events))), first if first > 1 else None)

    def diff(self, skill_id: str, before: int | datetime, after: int | datetime | None = None) -> SkillDiff:
        """How a skill differs between two of its revisions or times; ``after`` is now unless given.

        Raises:
            SkillNotFoundError: the skill was not there at one of them, or never.
            RevisionNotFoundError: the skill has not reached that revision.
        """
        if before is None:
            raise InvalidArgumentError("before", before, _A_MOMENT)
        stream = _stream(skill_id)
        old, new = self._there("before", stream, before), self._there("after", stream, after)
        sides = (old.skill.model_dump(mode="json"), new.skill.model_dump(mode="json"))
        return SkillDiff(old, new, patch_of(*sides))

    def _there(self, field: str, stream: str, at: int | datetime | None) -> SkillRecord:
        """As :meth:`_then`, of a skill that was there."""
        found = None
        try:
            found = self._then(field, stream, at)
        except RevisionNotFoundError as error:
            if error.head:
                raise
        if found is None:
            never = at is None or self._then(field, stream, None) is None
            raise SkillNotFoundError(skill_of(stream), None if never else at)
        return found

    def _then(self, field: str, stream: str, at: int | datetime | None) -> SkillRecord | None:
        """The skill at a revision or time, or now; ``field`` is the argument that says when."""
        if at is None:
            state = self._storage.load(stream)
        elif isinstance(at, datetime):
            state = self._state_when(field, stream, at)
        elif type(at) is int:
            arguments.check_integer(field, at, 0)
            state = self._state_at(stream, at)
        else:
            raise InvalidArgumentError(field, at, _A_MOMENT)
        return None if state.saved is None else _record(state)

    def _state_at(self, stream: str, revision: int) -> SkillState:
        state = SkillState(stream)
        if revision:
            state = fold(state, self._storage.events(stream, 0, revision))
        if state.revision != revision:
            raise RevisionNotFoundError(skill_of(stream), revision, state.revision)
        return state

    def _state_when(self, field: str, stream: str, at: datetime) -> SkillState:
        instant = arguments.moment(field, at)
        now = self._storage.load(stream).effective_now(self._engine.clock.now())
        if instant > now:
            allowed = f"a time that has come: it is {now.isoformat()}"
            raise InvalidArgumentError(field, instant.isoformat(), allowed)
        events = self._storage.events(stream, 0, MAX_INTEGER)
        return fold(SkillState(stream), [event for event in events if event.recorded_at <= instant])


def _record(state: SkillState) -> SkillRecord:
    saved = state.saved
    assert saved is not None  # noqa: S101 - asked only of what was saved
    return SkillRecord(
        skill_of(state.id),
        skill_in(state.id, saved.definition),
        state.revision,
        saved.revision,
        saved.created_at.astimezone(UTC),
        saved.saved_at.astimezone(UTC),
        saved.saved_by,
        saved.trusted,
        state.tier,
        state.extended_bounds,
        state.max_bytes,
        state.archived,
    )


def _fields_of(given: object) -> dict[Any, Any]:
    """What a host sends, also if that is a Skill of a kind of its own, whose fields we may not know."""
    if not isinstance(given, Mapping | Skill):
        raise InvalidArgumentError("skill", given, "a Skill, or a mapping of its fields")
    return dict(given)


def _stream(skill_id: str) -> str:
    check_id("skill_id", skill_id)
    return skill_stream(skill_id)


def version_of(event: SkillEvent) -> SkillVersion:
    """A change as users see it."""
    saved = event if isinstance(event, SkillSaved) else None
    return SkillVersion(
        event.originator_version,
        operation_of(event),
        event.recorded_at.astimezone(UTC),
        event.changed_by,
        skill_in(event.originator_id, saved.definition) if saved else None,
        saved.trusted if saved else None,
        event.max_bytes if isinstance(event, SkillQuotaGranted) else None,
        event.granted if isinstance(event, ExtendedBoundsGranted) else None,
    )
