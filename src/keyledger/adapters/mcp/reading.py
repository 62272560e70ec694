"""What a resource holds for the invocation that reads it: its rules are those of the tools."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from keyledger.adapters.mcp.resources import parse
from keyledger.adapters.tools.call import ancestors
from keyledger.adapters.tools.refusal import told
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.policy import ACCESS_FLAG, check_access, check_flags
from keyledger.domain.toolset import Result

NOT_FOUND = "not_found"


def read(ledger: Ledger, invocation: Invocation, uri: str) -> Result:
    """What a resource holds, ready for JSON; or ``{"error": CODE, "message": …}``, it raises nothing.

    A key is read by kv_get and its history by kv_history, as calls of those tools. The trace of a run is
    ``{"run": …, "logs": […]}``; it may be read by whom the ``run:`` scope of that run is open to: the run itself,
    and those that it led to.
    """
    try:
        place = parse(uri)
        if place.kind == "trace":
            return _trace(ledger, invocation, *place.parts)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told, and the server goes on
        return told("trace", error)
    scope, key = place.parts
    tools = ledger.tools(invocation)
    if place.kind == "history":
        return tools.call("kv_history", {"scope": scope, "key": key, **place.numbers})
    found = tools.call("kv_get", {"scope": scope, "key": key})
    if found.get("found", True):
        return found
    return {"error": NOT_FOUND, "message": f"there is no key {key!r} in scope {scope!r}"}


def _trace(ledger: Ledger, invocation: Invocation, run_id: str) -> Result:
    if ledger.enforces_flags:
        check_flags("trace", (ACCESS_FLAG,), invocation.flags)
    check_access(invocation, f"run:{run_id}", partial(ancestors, ledger, invocation))
    run: dict[str, Any] = asdict(ledger.runs.get(run_id))
    return {"run": run, "logs": [asdict(line) for line in ledger.runs.logs(run_id)]}
