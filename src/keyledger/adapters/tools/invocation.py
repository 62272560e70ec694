"""Who makes a tool call: set by the host that runs the agent, never by the model's arguments."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import ValidationInfo, field_validator, model_validator

from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.scope import check_id
from keyledger.domain.strict import StrictModel


class Invocation(StrictModel):
    """The run of a skill that makes a tool call.

    ``skill_id`` is the partition that the call works in, ``caller_id`` whom it works for. ``run_id`` is the
    run, ``root_run_id`` the run that its dispatch tree began with; an empty one is none. With ``record_reads``
    what the call reads is recorded in its run. A ``dry_run`` acts on a copy in memory, which the calls of its
    dispatch tree share, and leaves nothing behind.

    Raises:
        InvalidArgumentError: a field is missing, unknown or not of its form.
    """

    where: ClassVar[str] = "invocation."

    skill_id: str
    caller_id: str
    run_id: str | None = None
    root_run_id: str | None = None
    flags: frozenset[str] = frozenset()
    is_admin: bool = False
    record_reads: bool = False
    dry_run: bool = False

    @property
    def tree(self) -> str | None:
        """The root of the dispatch tree: a run that nobody dispatched is its own; None without a run."""
        return self.root_run_id or self.run_id

    @field_validator("skill_id", "caller_id", mode="plain")
    @classmethod
    def _id(cls, value: Any, info: ValidationInfo) -> str:
        check_id(f"{cls.where}{info.field_name}", value)
        return str(value)

    @field_validator("run_id", "root_run_id", mode="plain")
    @classmethod
    def _id_if_any(cls, value: Any, info: ValidationInfo) -> str | None:
        return None if value is None or value == "" else cls._id(value, info)

    @model_validator(mode="after")
    def _reads_have_a_run(self) -> Self:
        if self.record_reads and self.run_id is None:
            raise InvalidArgumentError(f"{self.where}record_reads", True, "false where there is no run_id")  # noqa: FBT003
        return self

    @field_validator("flags", mode="plain")
    @classmethod
    def _flags(cls, value: Any) -> frozenset[str]:
        if not isinstance(value, list | tuple | set | frozenset) or not all(type(flag) is str for flag in value):
            raise InvalidArgumentError(f"{cls.where}flags", value, "a list of strings")
        return frozenset(value)
