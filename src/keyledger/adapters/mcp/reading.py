"""What a resource holds for the invocation that reads it: its rules are those of the tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import accumulate
from typing import Any, Final

import orjson

from keyledger.adapters.mcp.refusals import refused
from keyledger.adapters.mcp.resources import parse
from keyledger.adapters.tools.call import ancestors
from keyledger.domain.arguments import DEFAULT_PAGE, check_page
from keyledger.domain.audit.records import RunLog
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.policy import ACCESS_FLAG, check_access, check_flags
from keyledger.domain.toolset import MAX_ANSWER_BYTES, Result

NOT_FOUND: Final = "not_found"


def read(ledger: Ledger, invocation: Invocation, uri: str) -> Result:
    """What a resource holds, ready for JSON; or ``{"error": CODE, "message": …}``, it raises nothing.

    A key is read by kv_get and its history by kv_history, as calls of those tools. The trace of a run is
    ``{"run": …, "logs": […], "next": …}``; it may be read by whom the ``run:`` scope of that run is open to: the
    run itself, and those that it led to. What is refused is in the log of the run that asked.
    """
    try:
        place = parse(uri)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told, and the server goes on
        return refused(ledger, invocation, "resources/read", {"uri": uri}, error)
    if place.kind == "trace":
        try:
            return _trace(ledger, invocation, place.parts[0], **place.numbers)
        except Exception as error:  # noqa: BLE001 - as above
            return refused(ledger, invocation, "trace", {"run_id": place.parts[0], **place.numbers}, error)
    scope, key = place.parts
    tools = ledger.tools(invocation)
    if place.kind == "history":
        return tools.call("kv_history", {"scope": scope, "key": key, **place.numbers})
    found = tools.call("kv_get", {"scope": scope, "key": key})
    if found.get("found", True):
        return found
    return {"error": NOT_FOUND, "message": f"there is no key {key!r} in scope {scope!r}"}


def _trace(
    ledger: Ledger, invocation: Invocation, run_id: str, *, limit: int = DEFAULT_PAGE, after: int = 0
) -> Result:
    check_flags("trace", (ACCESS_FLAG,), invocation.flags)
    check_access(invocation, f"run:{run_id}", partial(ancestors, ledger, invocation))
    check_page(limit)
    run: dict[str, Any] = asdict(ledger.runs.get(run_id))
    rest = [line for line in ledger.runs.logs(run_id) if (line.sequence or 0) > after]
    page = _fitting(rest[:limit])
    is_last = len(page) == len(rest)
    return {"run": run, "logs": [asdict(line) for line in page], "next": None if is_last else page[-1].sequence}


def _fitting(lines: Sequence[RunLog]) -> Sequence[RunLog]:
    """The first lines, as many as may be in one page; always one, if there is any."""
    sizes = accumulate(len(orjson.dumps(line.payload)) for line in lines)
    return lines[: max(1, sum(size <= MAX_ANSWER_BYTES for size in sizes))]
