"""Events to stored events and back: the library's Mapper, with topics of our own and JSON by orjson.

A stored event's state is one JSON object of the event's fields, less stream and revision, which are columns,
and less what is None. ``value`` comes last and is copied as the text it is: neither writing nor reading an
event parses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TypeAlias

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Cipher, Compressor, Mapper, StoredEvent, Transcoder
from pydantic import ValidationError

from keyledger.domain import partition, run, skill
from keyledger.domain.errors import NewerLedgerError, UnreadableError
from keyledger.domain.event import Event

EventRow: TypeAlias = tuple[str, int, str, bytes]
"""The columns of stored_events: stream, revision, topic and state."""

_SEALED = b"keyledger"
_VALUE = b',"value":'


class OrjsonTranscoder(Transcoder):
    """A dict of scalars, times and at most one ``value`` of raw JSON text, as one JSON object."""

    def encode(self, obj: dict[str, Any]) -> bytes:
        """The object's JSON text, its ``value`` last; copied, as orjson's own keeps a buffer of 4 KB."""
        value = obj.pop("value", None)
        head = orjson.dumps(obj)
        return b"%b" % head if value is None else b"%b%b%b}" % (head[:-1], _VALUE, value)

    def decode(self, data: bytes) -> dict[str, Any]:
        """The dict; ``value`` stays text.

        The first ``,"value":`` is the field's: what precedes it are scalars, and inside a JSON string the
        quotes would be escaped.
        """
        head, found, value = data.partition(_VALUE)
        state: dict[str, Any] = orjson.loads(head + b"}" if found else head)
        if found:
            state["value"] = value[:-1]
        return state


class EventMapper(Mapper[str]):
    """Maps the events of a ledger, compressing and encrypting their state where that is switched on."""

    def __init__(
        self,
        *,
        cipher: Cipher | None = None,
        compressor: Compressor | None = None,
        event_types: Iterable[type[Event]] = (*partition.EVENT_TYPES, *run.EVENT_TYPES, *skill.EVENT_TYPES),
    ) -> None:
        super().__init__(OrjsonTranscoder(), compressor, cipher)
        self._types = {event_type.TOPIC: event_type for event_type in event_types}
        self._validate = {
            topic: kind.__pydantic_validator__.validate_python for topic, kind in self._types.items()
        }
        self._newest = {topic: kind.model_fields["schema_version"].default for topic, kind in self._types.items()}

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """The event as the library stores it."""
        return StoredEvent(*self.to_row(domain_event))

    def to_row(self, domain_event: DomainEventProtocol[str]) -> EventRow:
        """The event's row."""
        fields = {name: value for name, value in vars(domain_event).items() if value is not None}
        stream, revision = fields.pop("originator_id"), fields.pop("originator_version")
        body = domain_event.BODY  # type: ignore[attr-defined]
        if body != "value":
            fields["value"] = fields.pop(body)
        state = self.transcoder.encode(fields)
        if self.compressor:
            state = self.compressor.compress(state)
        return stream, revision, type(domain_event).TOPIC, self.seal(state)  # type: ignore[attr-defined]

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event of what the library stored; errors as in :meth:`to_event`."""
        stream, revision = str(stored_event.originator_id), stored_event.originator_version
        return self.to_event(stream, revision, stored_event.topic, stored_event.state)

    def to_event(self, stream: str, revision: int, topic: str, state: bytes) -> Any:
        """The event of a row's columns, upcast to the newest schema of its type.

        Raises:
            NewerLedgerError: the topic or its schema version is unknown here.
            UnreadableError: the state cannot be decrypted, decompressed or validated.
        """
        validate = self._validate.get(topic)
        if validate is None:
            raise NewerLedgerError(f"event type {topic!r}")
        try:
            fields = self._fields(state)
        except Exception as error:  # noqa: BLE001 - each cipher and compressor has errors of its own
            raise _unreadable(stream, revision, str(error) or type(error).__name__) from None
        if fields["schema_version"] != self._newest[topic]:
            self._upcast(topic, fields)
        body = self._types[topic].BODY
        if body != "value":
            fields[body] = fields.pop("value", None)
        fields["originator_id"], fields["originator_version"] = stream, revision
        try:
            return validate(fields)
        except ValidationError as error:
            raise _unreadable(stream, revision, error.errors()[0]["msg"]) from None

    def to_value(self, stream: str, revision: int, topic: str, state: bytes) -> bytes:
        """The value that an event gave a key, without making the event; errors as in :meth:`to_event`."""
        with suppress(Exception):  # to_event tells what is wrong
            fields = self._fields(state)
            if fields["schema_version"] == self._newest[topic]:
                value: bytes = fields["value"]
                return value
        event: Any = self.to_event(stream, revision, topic, state)
        if not isinstance(event, partition.KeySet | partition.KeyIncremented):
            raise _unreadable(stream, revision, "it has no value")
        return event.value

    def _fields(self, state: bytes) -> dict[str, Any]:
        if self.cipher:
            state = self.cipher.decrypt(state)
        if self.compressor:
            state = self.compressor.decompress(state)
        fields: dict[str, Any] = self.transcoder.decode(state)
        fields["schema_version"] = int(fields["schema_version"])
        return fields

    def _upcast(self, topic: str, fields: dict[str, Any]) -> None:
        found, newest = fields["schema_version"], self._newest[topic]
        if found > newest:
            raise NewerLedgerError(f"schema {found} of event type {topic!r}")
        for version in range(found, newest):
            getattr(self._types[topic], f"upcast_v{version}_v{version + 1}")(fields)
        fields["schema_version"] = newest

    def seal(self, plain: bytes) -> bytes:
        """Encrypt, where encryption is switched on."""
        return self.cipher.encrypt(plain) if self.cipher else plain

    def unseal(self, sealed: bytes, what: str = "a value") -> bytes:
        """What ``seal`` was given; UnreadableError, naming ``what``, if the key is another one."""
        if self.cipher is None:
            return sealed
        try:
            return self.cipher.decrypt(sealed)
        except Exception as error:  # noqa: BLE001 - each cipher has errors of its own
            raise UnreadableError(what, str(error) or type(error).__name__) from None

    def new_seal(self) -> bytes:
        """What a ledger keeps of the cipher and compressor that it was begun with."""
        return self.seal(self.compressor.compress(_SEALED) if self.compressor else _SEALED)

    def check_seal(self, sealed: bytes) -> None:
        """Raise UnreadableError unless ``sealed`` was made with this cipher, its key and this compressor."""
        what = "this ledger"
        try:
            plain = self.unseal(sealed, what)
            plain = self.compressor.decompress(plain) if self.compressor else plain
        except UnreadableError:
            raise
        except Exception as error:  # noqa: BLE001 - each compressor has errors of its own
            raise UnreadableError(what, str(error)) from None
        if plain != _SEALED:
            raise UnreadableError(what, "it was written with another cipher or compressor, or with none")


def _unreadable(stream: str, revision: int, reason: str) -> UnreadableError:
    return UnreadableError(f"event {revision} of {stream!r}", reason)
