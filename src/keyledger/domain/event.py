"""What every event of every aggregate carries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

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

    originator_id: str
    originator_version: int
    recorded_at: UTCDatetime
    changed_by: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    tool: str | None = None
    request_id: str
    schema_version: int = 1
