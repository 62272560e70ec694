"""The arguments of each tool, as models send them, and what models are told of them."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from keyledger.domain.arguments import DEFAULT_PAGE, MAX_PAGE, check_name, check_revision
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.scope import MAX_ID_BYTES, MAX_KEY_BYTES, SKILL, check_key
from keyledger.domain.strict import RequiredFieldError, StrictModel

ABSENT: Final = object()
"""What ``value`` is when it was not sent: null is a value."""


TTL_ALLOWED: Final = "a number of seconds that end before the year 10000; 0, less or null is for ever"


def _ttl(seconds: Any) -> float | None:
    """Models send 0 where they mean none."""
    if seconds is None:
        return None
    if type(seconds) not in {int, float} or (type(seconds) is float and not isfinite(seconds)):
        raise InvalidArgumentError("ttl_seconds", seconds, TTL_ALLOWED)
    return seconds if seconds > 0 else None


def _request_id(request_id: str | None) -> str | None:
    """Checked here, as another one goes on to the ledger."""
    check_name("request_id", request_id)
    return request_id


def _integer(number: Any) -> Any:
    """To JSON Schema 5.0 is an integer; beyond 2**53 a float may stand for another one than was meant."""
    exact = type(number) is float and number.is_integer() and abs(number) <= _MAX_EXACT
    return int(number) if exact else number


_MAX_EXACT = 2**53
_Integer = Annotated[int, BeforeValidator(_integer)]


def _described(description: str, **constraints: int) -> Any:
    """What a model is told of a field; the constraints are checked elsewhere, each with a message of its own."""
    return Field(description=description, json_schema_extra={**constraints})


_Scope = Annotated[
    str,
    _described(
        "Whose keys: 'skill' (shared by all who use this skill), 'user:<id>' (the caller's own), 'run:<id>' (this "
        "run's), or 'root_run:<id>' (shared by the whole dispatch tree, across skills)."
    ),
]
_Key = Annotated[str, _described("Key within the scope.", minLength=1, maxLength=MAX_KEY_BYTES)]
_Value = Annotated[Any, _described("The JSON value to store: an object, array, string, number, boolean or null.")]
_TTL = Annotated[
    float | None,
    PlainValidator(_ttl, json_schema_input_type=float | None),
    _described("Seconds until the entry expires; 0 or null for one that does not."),
]
_TTLOfIncrement = Annotated[
    float | None,
    PlainValidator(_ttl, json_schema_input_type=float | None),
    _described("Seconds until the entry expires; 0 or null leaves that as it is."),
]
_IfRevision = Annotated[
    _Integer | None,
    _described("Only write if the key is at this revision; 0 if it must not exist yet.", minimum=0),
]
_RequestId = Annotated[
    str | None,
    AfterValidator(_request_id),
    _described(
        "An id of your own for this write, new for each: sent again with the same id in the same run, it is not "
        "done twice.",
        minLength=1,
        maxLength=MAX_ID_BYTES,
    ),
]
_Limit = Annotated[_Integer, _described("How many to return at most.", minimum=1, maximum=MAX_PAGE)]


class ToolArguments(StrictModel):
    """What every tool takes."""

    required: ClassVar[tuple[str, ...]] = ()
    """The names of those that must be given."""

    scope: _Scope = SKILL

    def check(self) -> None:
        """Raise InvalidArgumentError for what is missing or malformed, in the order of the fields."""


class KeyArguments(ToolArguments):
    """What every tool that works on one key takes."""

    required: ClassVar[tuple[str, ...]] = ("key",)

    key: _Key = ""

    def check(self) -> None:
        if not self.key:
            raise RequiredFieldError("key")
        check_key(self.key)


class GetArguments(KeyArguments):
    """The arguments of kv_get."""


class SetArguments(KeyArguments):
    """The arguments of kv_set; ``value`` is any JSON value."""

    required: ClassVar[tuple[str, ...]] = ("key", "value")

    value: _Value = Field(default_factory=lambda: ABSENT)
    ttl_seconds: _TTL = None
    if_revision: _IfRevision = None
    request_id: _RequestId = None

    def check(self) -> None:
        super().check()
        if self.value is ABSENT:
            raise RequiredFieldError("value")


class DeleteArguments(KeyArguments):
    """The arguments of kv_delete."""

    if_revision: _IfRevision = None
    request_id: _RequestId = None


class IncrementArguments(KeyArguments):
    """The arguments of kv_increment."""

    delta: Annotated[_Integer, _described("What to add; less than 0 to subtract.")] = 1
    initial_value: Annotated[_Integer, _described("What a missing key counts as before.")] = 0
    ttl_seconds: _TTLOfIncrement = None
    if_revision: _IfRevision = None
    request_id: _RequestId = None


class ListArguments(ToolArguments):
    """The arguments of kv_list; ``after`` is the ``next`` of the page before."""

    prefix: Annotated[str, _described("Only keys that begin with this.", maxLength=MAX_KEY_BYTES)] = ""
    limit: _Limit = DEFAULT_PAGE
    after: Annotated[str, _described("The 'next' of the page before.", maxLength=MAX_KEY_BYTES)] = ""


class HistoryArguments(KeyArguments):
    """The arguments of kv_history; ``before`` is the ``next`` of the page before."""

    limit: _Limit = DEFAULT_PAGE
    before: Annotated[_Integer | None, _described("The 'next' of the page before.", minimum=0)] = None


class RestoreArguments(KeyArguments):
    """The arguments of kv_restore."""

    required: ClassVar[tuple[str, ...]] = ("key", "to")

    to: Annotated[
        _Integer | None,
        _described("The revision, as kv_history shows them, whose value to bring back.", minimum=0),
    ] = None
    if_revision: _IfRevision = None
    request_id: _RequestId = None

    def check(self) -> None:
        super().check()
        if self.to is None:
            raise RequiredFieldError("to")
        check_revision("to", self.to)
        check_revision("if_revision", self.if_revision)
