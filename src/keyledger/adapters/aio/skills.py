"""Skills, awaited. Docstrings say what differs from ``Skills``, method by method."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from keyledger.adapters.aio.threads import Threads
from keyledger.domain import arguments
from keyledger.domain.records import Page
from keyledger.domain.skills.definition import Skill
from keyledger.domain.skills.records import SkillDiff, SkillRecord, SkillVersion
from keyledger.domain.skills.skills import Skills


class AsyncSkills:
    """Every skill of a ledger, for asyncio: :class:`Skills` with the same arguments, results and errors.

    A write that is cancelled before a thread has taken it is not done. Cancelled later it is done or refused, and
    the cancellation goes on when that is settled; a second cancellation does not wait for it.
    """

    def __init__(self, skills: Skills, threads: Threads) -> None:
        self._skills, self._threads = skills, threads

    # ------------------------------------------------------------------------------------- writing

    async def save(
        self,
        skill_id: str,
        skill: Skill | Mapping[str, Any],
        *,
        actor: str | None = None,
        author_is_admin: bool = False,
        is_builtin: bool = False,
        if_revision: int | None = None,
    ) -> SkillRecord:
        """As ``Skills.save``; a mapping is read in another thread."""
        save = partial(
            self._skills.save,
            skill_id,
            skill,
            actor=actor,
            author_is_admin=author_is_admin,
            is_builtin=is_builtin,
            if_revision=if_revision,
        )
        return await self._threads.work(save)

    async def grant_quota(self, skill_id: str, max_bytes: int | None, *, actor: str | None = None) -> SkillRecord:
        """As ``Skills.grant_quota``."""
        return await self._threads.work(partial(self._skills.grant_quota, skill_id, max_bytes, actor=actor))

    async def grant_extended_bounds(
        self,
        skill_id: str,
        granted: bool = True,  # noqa: FBT001, FBT002 - it is what is granted
        *,
        actor: str | None = None,
    ) -> SkillRecord:
        """As ``Skills.grant_extended_bounds``."""
        return await self._threads.work(
            partial(self._skills.grant_extended_bounds, skill_id, granted, actor=actor)
        )

    async def archive(self, skill_id: str, *, actor: str | None = None) -> SkillRecord:
        """As ``Skills.archive``."""
        return await self._threads.work(partial(self._skills.archive, skill_id, actor=actor))

    # ------------------------------------------------------------------------------------- reading

    async def get(self, skill_id: str, *, at: int | datetime | None = None) -> SkillRecord | None:
        """As ``Skills.get``."""
        return await self._threads.read(partial(self._skills.get, skill_id, at=at))

    async def list(
        self,
        *,
        owner: str = "",
        tag: str = "",
        visibility: str = "",
        include_archived: bool = False,
        limit: int = arguments.DEFAULT_PAGE,
        after: str = "",
    ) -> Page[SkillRecord]:
        """As ``Skills.list``."""
        found = partial(
            self._skills.list,
            owner=owner,
            tag=tag,
            visibility=visibility,
            include_archived=include_archived,
            limit=limit,
            after=after,
        )
        return await self._threads.read(found)

    async def history(
        self, skill_id: str, *, limit: int = arguments.DEFAULT_PAGE, before: int | None = None
    ) -> Page[SkillVersion]:
        """As ``Skills.history``."""
        return await self._threads.read(partial(self._skills.history, skill_id, limit=limit, before=before))

    async def diff(self, skill_id: str, before: int | datetime, after: int | datetime | None = None) -> SkillDiff:
        """As ``Skills.diff``."""
        return await self._threads.read(partial(self._skills.diff, skill_id, before, after))
