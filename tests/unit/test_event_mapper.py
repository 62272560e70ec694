"""Stored events: the format, upcasting, what is newer or unreadable, encryption."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
import pytest
from eventsourcing.compressor import ZlibCompressor
from eventsourcing.cryptography import AESCipher
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import Environment
from hypothesis import given

from keyledger.adapters.conformance.strategies import json_values, keys
from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.errors import NewerLedgerError, UnreadableError
from keyledger.domain.event import Event
from keyledger.domain.partition import EVENT_TYPES, KeyExpired, KeySet, PartitionDeleted, QuotaChanged

TIME = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
MAPPER = EventMapper()


def key_set(**fields: Any) -> KeySet:
    given_fields = {"scope": "skill", "key": "k", "value": b"1", **fields}
    return KeySet(
        originator_id="partition:p", originator_version=3, recorded_at=TIME, request_id="q-1", **given_fields
    )


def cipher() -> AESCipher:
    return AESCipher(Environment("t", {"CIPHER_KEY": AESCipher.create_key(32)}))


def test_the_topics_are_these_and_stay_so() -> None:
    assert [event_type.TOPIC for event_type in EVENT_TYPES] == [
        "kv.KeySet",
        "kv.KeyIncremented",
        "kv.KeyDeleted",
        "kv.KeyExpired",
        "kv.QuotaChanged",
        "kv.PartitionForked",
        "kv.ForkCompleted",
        "kv.PartitionDeleted",
    ]


def test_a_stored_event_is_json_that_people_can_read() -> None:
    stored = MAPPER.to_stored_event(key_set(changed_by="ada", value=b'{"a":[1.50]}', expires_at=TIME))
    assert (stored.originator_id, stored.originator_version, stored.topic) == ("partition:p", 3, "kv.KeySet")
    assert stored.state == (
        b'{"recorded_at":"2026-01-01T12:30:00+00:00","changed_by":"ada","request_id":"q-1","schema_version":1,'
        b'"scope":"skill","key":"k","expires_at":"2026-01-01T12:30:00+00:00","value":{"a":[1.50]}}'
    )
    assert MAPPER.to_domain_event(stored) == key_set(changed_by="ada", value=b'{"a":[1.50]}', expires_at=TIME)


@given(key=keys(), value=json_values(), actor=keys())
def test_every_event_reads_back_as_it_was(key: str, value: Any, actor: str) -> None:
    for text in (key, '","value":"', ',"value":'):
        event = key_set(key=text, value=orjson.dumps(value), changed_by=actor, run_id=text)
        assert MAPPER.to_domain_event(MAPPER.to_stored_event(event)) == event


@pytest.mark.parametrize(
    "event",
    [
        KeyExpired(
            originator_id="partition:p",
            originator_version=1,
            recorded_at=TIME,
            request_id="q",
            scope="skill",
            key="k",
            expired_at=TIME,
        ),
        QuotaChanged(
            originator_id="partition:p", originator_version=1, recorded_at=TIME, request_id="q", max_bytes=None
        ),
        PartitionDeleted(originator_id="partition:p", originator_version=1, recorded_at=TIME, request_id="q"),
    ],
)
def test_events_without_a_value_read_back_too(event: Event) -> None:
    assert MAPPER.to_domain_event(MAPPER.to_stored_event(event)) == event


def test_an_unknown_topic_is_a_newer_ledger() -> None:
    with pytest.raises(NewerLedgerError, match=r"kv\.KeyRenamed"):
        MAPPER.to_domain_event(StoredEvent("partition:p", 1, "kv.KeyRenamed", b"{}"))


def test_a_newer_schema_is_a_newer_ledger() -> None:
    stored = MAPPER.to_stored_event(key_set(schema_version=2))
    with pytest.raises(NewerLedgerError, match="schema 2"):
        MAPPER.to_domain_event(stored)


class KeySetOfToday(Event):
    """As if KeySet had, in its third schema, renamed ``key`` to ``name`` and gained ``labels``."""

    TOPIC: ClassVar[str] = "kv.KeySet"
    schema_version: int = 3
    scope: str
    name: str
    labels: list[str]
    value: bytes
    expires_at: datetime | None = None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["name"] = state.pop("key")

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state["labels"] = []


def test_an_event_of_an_old_schema_is_upcast_step_by_step() -> None:
    stored = MAPPER.to_stored_event(key_set())
    event = EventMapper(event_types=[KeySetOfToday]).to_domain_event(stored)
    assert isinstance(event, KeySetOfToday)
    assert (event.name, event.labels, event.value, event.schema_version) == ("k", [], b"1", 3)


@pytest.mark.parametrize("state", [b"", b"{", b"{}", b'{"schema_version":1}', b'{"schema_version":"x"}', b"\xff"])
def test_a_damaged_event_is_unreadable_and_named(state: bytes) -> None:
    with pytest.raises(UnreadableError, match="event 7 of 'partition:p'"):
        MAPPER.to_domain_event(StoredEvent("partition:p", 7, "kv.KeySet", state))


def test_state_can_be_compressed_and_encrypted() -> None:
    mapper = EventMapper(cipher=cipher(), compressor=ZlibCompressor())
    event = key_set(value=b'"secret"' * 10)
    stored = mapper.to_stored_event(event)
    assert b"secret" not in stored.state
    assert mapper.to_domain_event(stored) == event
    for other in (EventMapper(cipher=cipher(), compressor=ZlibCompressor()), MAPPER):
        with pytest.raises(UnreadableError, match="cipher key"):
            other.to_domain_event(stored)


def test_an_event_cannot_be_changed_and_its_time_is_utc() -> None:
    with pytest.raises(ValueError, match="frozen"):
        key_set().key = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="offset of 0"):
        key_set(expires_at=datetime.fromisoformat("2026-01-01T12:00:00+02:00"))
