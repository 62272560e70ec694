"""Logs tool calls in the runs that make them. No call fails, or is told anything, for what happens here."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from keyledger.domain.audit.recording import Failures
from keyledger.domain.audit.records import RunLog
from keyledger.domain.errors import InvalidArgumentError, LedgerClosedError, RunNotFoundError
from keyledger.domain.ports import JSONCodec
from keyledger.domain.values import JSONValue

Payload = dict[str, JSONValue]

MAX_LOGGED_BYTES = 65_536
"""The longest JSON text of a logged tool call or result; of a longer one its length is logged, in bytes."""

_MOST_REPORTED = 1_024
_log = logging.getLogger("keyledger")


class ToolLog:
    """The logs of all runs, as tool calls write them. What cannot be written is counted and reported.

    A run that was never started is not logged: a host need not audit.
    """

    def __init__(
        self,
        codec: JSONCodec,
        exists: Callable[[str], bool],
        append_log: Callable[[RunLog], RunLog],
        failures: Failures,
    ) -> None:
        self._codec, self._exists, self._append_log, self._failures = codec, exists, append_log, failures
        self._reported: OrderedDict[str, object] = OrderedDict()

    def is_kept(self, run_id: str) -> bool:
        """Whether the calls of a run are to be logged."""
        try:
            return self._exists(run_id)
        except LedgerClosedError:  # the call says so
            return False
        except Exception as error:  # noqa: BLE001 - of an audit's failures no call is to hear
            self._failed(run_id, error)
            return False

    def append(self, run_id: str, event_type: str, payload: Payload, *kept: str) -> None:
        """Log a line. Of a payload that is too long or no JSON stay the fields ``kept``, and what is amiss."""
        try:
            self._append(run_id, event_type, payload, {name: payload[name] for name in kept})
        except RunNotFoundError:  # purged meanwhile
            pass
        except Exception as error:  # noqa: BLE001 - of an audit's failures no call is to hear
            self._failed(run_id, error)

    def _append(self, run_id: str, event_type: str, payload: Payload, rest: Payload) -> None:
        size = self._size(payload)
        if size > MAX_LOGGED_BYTES:
            payload = rest | {"omitted_bytes": size}
        try:
            self._append_log(RunLog(run_id, event_type, payload))
        except InvalidArgumentError as error:
            why = f"{error.field}: {error.allowed}"  # not what it was: it may be secret
            self._append_log(RunLog(run_id, event_type, rest | {"omitted": why}))

    def _size(self, payload: Payload) -> int:
        try:
            return len(self._codec.encode(payload))
        except TypeError:  # no JSON: refused when it is appended
            return 0

    def _failed(self, run_id: str, error: Exception) -> None:
        self._failures.count()
        mark = object()
        first = self._reported.setdefault(run_id, mark) is mark
        if len(self._reported) > _MOST_REPORTED:
            self._reported.popitem(last=False)
        if first:
            _log.warning("run %r: a tool call is not logged: %s: %s", run_id, type(error).__name__, error)
