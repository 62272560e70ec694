"""What every event of every aggregate carries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class _UTC:
    """Constrains a datetime to an offset of 0, in pydantic's core."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.datetime_schema(tz_constraint=0)


UTCDatetime = Annotated[datetime, _UTC]


class Event(BaseModel):
    """What every event carries.

    ``originator_id`` is the stream, ``originator_version`` the partition's revision that the event made.
    ``recorded_at`` never goes back within a stream. ``request_id`` is the user's or, where they gave none,
    one made up for the command; all events of a command share it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    TOPIC: ClassVar[str]
    TEMPLATE: ClassVar[dict[str, Any]]
    """Every field in the order of the stored state, with its default."""
    BODY: ClassVar[str] = "value"
    """The field, if any, that holds raw JSON text; it comes last in the stored state, as ``value``."""
    _NAMES: ClassVar[set[str]]

    originator_id: str
    originator_version: int
    recorded_at: UTCDatetime
    changed_by: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    tool: str | None = None
    request_id: str
    schema_version: int = 1

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.TEMPLATE = {name: field.get_default() for name, field in cls.model_fields.items()}
        cls._NAMES = set(cls.TEMPLATE)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """The event of ``fields``, which it keeps: TEMPLATE with all that has no default, and valid, unchecked.

        Measured: 0.9 µs, where pydantic's checks cost 2.9 and its model_construct 4.0.
        """
        event = cls.__new__(cls)
        _set(event, "__dict__", fields)
        _set(event, "__pydantic_fields_set__", cls._NAMES)
        _set(event, "__pydantic_extra__", None)
        _set(event, "__pydantic_private__", None)
        return event

    @classmethod
    def after(cls, stream: str, revision: int, **fields: object) -> Self:
        """The event of ``fields``, valid and unchecked, that follows ``revision`` of a stream."""
        own = {"originator_id": stream, "originator_version": revision + 1}
        return cls.of({**cls.TEMPLATE, **own, **fields})


_set = object.__setattr__
