"""Logs tool calls in the runs that make them. No call fails, or is told anything, for what happens here."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from keyledger.domain.audit.failures import Failures, why
from keyledger.domain.audit.records import RunLog
from keyledger.domain.errors import InvalidArgumentError, LedgerClosedError, RunNotFoundError, shortened, shown
from keyledger.domain.ports import JSONCodec
from keyledger.domain.values import JSONValue, is_utf8

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

    def begin_call(self, run_id: str, tool: object, args: Any) -> Payload:  # noqa: ANN401 - whatever was sent
        """Log a call that begins; what :meth:`end_call` is to be given of it."""
        of: Payload = {"tool": shortened(tool) if isinstance(tool, str) and is_utf8(tool) else shown(tool)}
        sent = dict(args) if isinstance(args, Mapping) else args
        line = self._append(run_id, "tool_call", of | {"args": sent}, of)
        return of if line is None else of | {"call": line.sequence}

    def end_call(self, run_id: str, of: Payload, said: Payload) -> None:
        """Log what a call came to."""
        self._append(run_id, "tool_result", of | said, of | {"ok": said["ok"]})

    def _append(self, run_id: str, event_type: str, payload: Payload, rest: Payload) -> RunLog | None:
        """Log a line, if that can be; of a payload that is too long or no JSON the ``rest``, and what is amiss."""
        try:
            size = self._size(payload)
            line = payload if size <= MAX_LOGGED_BYTES else rest | {"omitted_bytes": size}
            try:
                return self._append_log(RunLog(run_id, event_type, line))
            except InvalidArgumentError as error:
                return self._append_log(RunLog(run_id, event_type, rest | {"omitted": why(error)}))
        except RunNotFoundError:  # purged meanwhile
            return None
        except Exception as error:  # noqa: BLE001 - of an audit's failures no call is to hear
            self._failed(run_id, error)
            return None

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
            _log.warning("run %r: a tool call is not logged: %s", run_id, why(error))
