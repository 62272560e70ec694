"""Who makes a tool call: set by the host that runs the agent, never by the model's arguments."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import ValidationInfo, field_validator, model_validator

from keyledger.domain.arguments import check_not_system
from keyledger.domain.audit.arguments import check_run_id
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.policy import granted_flags
from keyledger.domain.scope import MAX_ID_BYTES, SKILL, check_id, check_text
from keyledger.domain.strict import StrictModel


class Invocation(StrictModel):
    """The run of a skill that makes a tool call.

    ``skill_id`` is the partition that the call works in, ``caller_id`` whom it works for, ``channel_id`` where it
    was asked. ``run_id`` is the run, ``parent_run_id`` the one that called it, ``root_run_id`` the one that its
    dispatch tree began with; an empty id is none. ``flags`` are those that its persona grants: their names, or
    the persona's mapping, nested or with dotted paths, in which y, yes, true and on say yes. With ``record_reads``
    what the call reads is recorded in its run. A ``dry_run`` acts on a copy in memory, which the calls of its
    dispatch tree share, and leaves nothing behind.

    Raises:
        InvalidArgumentError: a field is missing, unknown or not of its form.
    """

    where: ClassVar[str] = "invocation."

    skill_id: str
    caller_id: str
    channel_id: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    parent_run_id: str | None = None
    is_admin: bool = False
    flags: frozenset[str] = frozenset()
    dry_run: bool = False
    record_reads: bool = False

    @property
    def tree(self) -> str | None:
        """The root of the dispatch tree, as far as the invocation says; None without a run.

        A run that nobody called is its own.
        """
        return self.root_run_id or self.parent_run_id or self.run_id

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that are the invocation's own: a caller, a run and a tree have one each."""
        own = (("user", self.caller_id), ("run", self.run_id), ("root_run", self.tree))
        return SKILL, *(f"{kind}:{identity}" for kind, identity in own if identity is not None)

    @field_validator("skill_id", "caller_id", mode="plain")
    @classmethod
    def _id(cls, value: object, info: ValidationInfo) -> str:
        field = f"{cls.where}{info.field_name}"
        check_id(field, value)
        if info.field_name == "caller_id":
            check_not_system(field, value)
        return str(value)

    @field_validator("channel_id", mode="plain")
    @classmethod
    def _name_if_any(cls, value: object, info: ValidationInfo) -> str | None:
        if value is None or value == "":
            return None
        check_text(f"{cls.where}{info.field_name}", value, MAX_ID_BYTES)
        return str(value)

    @field_validator("run_id", "root_run_id", "parent_run_id", mode="plain")
    @classmethod
    def _run_if_any(cls, value: object, info: ValidationInfo) -> str | None:
        if value is None or value == "":
            return None
        check_run_id(f"{cls.where}{info.field_name}", value)
        return str(value)

    @field_validator("flags", mode="plain")
    @classmethod
    def _flags(cls, value: object) -> frozenset[str]:
        return granted_flags(f"{cls.where}flags", value)

    @model_validator(mode="after")
    def _reads_have_a_run(self) -> Self:
        if self.record_reads and self.run_id is None:
            raise InvalidArgumentError(f"{self.where}record_reads", True, "false where there is no run_id")  # noqa: FBT003
        return self
