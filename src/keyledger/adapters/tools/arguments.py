"""The arguments of each tool, as models send them."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Final

from pydantic import PlainValidator

from keyledger.domain.arguments import DEFAULT_PAGE
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.scope import SKILL, check_key
from keyledger.domain.strict import RequiredFieldError, StrictModel

ABSENT: Final = object()
"""What ``value`` is when it was not sent: null is a value."""


def _ttl(seconds: Any) -> float | None:
    """Models send 0 where they mean none."""
    if seconds is None:
        return None
    if type(seconds) not in {int, float} or (type(seconds) is float and not isfinite(seconds)):
        raise InvalidArgumentError("ttl_seconds", seconds, "a number of seconds; 0, less or null is for ever")
    return seconds if seconds > 0 else None


TTL = Annotated[float | None, PlainValidator(_ttl, json_schema_input_type=float | None)]


class ToolArguments(StrictModel):
    """What every tool takes."""

    scope: str = SKILL

    def check(self) -> None:
        """Raise InvalidArgumentError for what is missing or malformed, in the order of the fields."""


class KeyArguments(ToolArguments):
    """What every tool that works on one key takes."""

    key: str = ""

    def check(self) -> None:
        if not self.key:
            raise RequiredFieldError("key")
        check_key(self.key)


class GetArguments(KeyArguments):
    """The arguments of kv_get."""


class SetArguments(KeyArguments):
    """The arguments of kv_set; ``value`` is any JSON value."""

    value: Any = ABSENT
    ttl_seconds: TTL = None
    if_revision: int | None = None
    request_id: str | None = None

    def check(self) -> None:
        super().check()
        if self.value is ABSENT:
            raise RequiredFieldError("value")


class DeleteArguments(KeyArguments):
    """The arguments of kv_delete."""

    if_revision: int | None = None
    request_id: str | None = None


class IncrementArguments(KeyArguments):
    """The arguments of kv_increment."""

    delta: int = 1
    initial_value: int = 0
    ttl_seconds: TTL = None
    if_revision: int | None = None
    request_id: str | None = None


class ListArguments(ToolArguments):
    """The arguments of kv_list; ``after`` is the ``next`` of the page before."""

    prefix: str = ""
    limit: int = DEFAULT_PAGE
    after: str = ""
