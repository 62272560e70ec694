"""A tool call: checked, done, logged in its run, answered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from keyledger.adapters.tools.access import check_access
from keyledger.adapters.tools.invocation import Invocation
from keyledger.adapters.tools.kv import TOOLS, Result
from keyledger.adapters.tools.refusal import refusal
from keyledger.domain.errors import InvalidArgumentError, NotConfiguredError, RunNotFoundError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger


def call_tool(ledger: Ledger | None, tool: str, args: Mapping[str, Any], invocation: Invocation) -> Result:
    """Do one tool call in the invocation's partition; its result, ready for JSON.

    An argument that is null counts as not given, but for ``value``. What is asked is checked in this order:
    a ledger is there, the arguments' names and types, the scope's access, the key, the value, its length,
    that it is JSON, the quota. Where the invocation's run was started, the call and its result or refusal are
    lines of its log; a failure to log them is counted and reported, and not the call's. A dry run is not logged,
    its reads are not recorded, and it acts on a ledger in memory: see :meth:`Ledger.dry_run`.

    Returns:
        kv_get: ``scope``, ``key``, ``found``, and if found ``value``, ``revision`` and ``ttl_seconds`` (only
        where the entry ends). kv_set, kv_increment: the same with ``ok`` in place of ``found``.
        kv_delete: ``ok``, ``scope``, ``key``, ``deleted``. kv_list: ``entries`` and ``next``, null at the end.

    Raises:
        NotConfiguredError: ``ledger`` is None.
        InvalidArgumentError: an unknown tool or argument, or one that is not of its form.
        ScopeAccessError: the scope is not the invocation's to use.
        KeyledgerError: as the operation of :class:`~keyledger.domain.kv.Partition` behind the tool.
    """
    if ledger is None:
        raise NotConfiguredError("not configured")
    log, run_id = ledger.runs.tool_log, invocation.run_id
    if run_id is None or not log.is_kept(run_id):
        return _traced(ledger, tool, args, invocation)
    if invocation.root_run_id is None:
        invocation = invocation.model_copy(update={"root_run_id": ledger.runs.root_of(run_id)})
    if invocation.dry_run:
        return _traced(ledger, tool, args, invocation)
    of = log.begin_call(run_id, tool, args)
    try:
        result = _traced(ledger, tool, args, invocation)
    except Exception as error:
        log.end_call(run_id, of, refusal(tool, error))
        raise
    log.end_call(run_id, of, {"ok": True, "result": result})
    return result


def _traced(ledger: Ledger, tool: str, args: Mapping[str, Any], invocation: Invocation) -> Result:
    if tool not in TOOLS:
        raise InvalidArgumentError("tool", tool, ", ".join(TOOLS))
    with ledger.runs.tracing.call(tool, args, invocation.run_id, invocation.skill_id) as call:
        call.result = result = _called(ledger, tool, args, invocation)
    return result


def _called(ledger: Ledger, tool: str, args: Mapping[str, Any], invocation: Invocation) -> Result:
    arguments_type, run, writes = TOOLS[tool]
    given = {name: value for name, value in args.items() if value is not None or name == "value"}
    arguments = arguments_type.model_validate(given)
    check_access(invocation, arguments.scope, None if writes else partial(_ancestors, ledger, invocation))
    arguments.check()
    if not invocation.dry_run:
        return run(_partition(ledger, tool, invocation), arguments)
    with ledger.dry_runs.of(invocation.tree) as dry:
        return run(_partition(dry, tool, invocation), arguments)


def _partition(ledger: Ledger, tool: str, invocation: Invocation) -> Partition:
    return ledger.partition(
        invocation.skill_id,
        actor=invocation.caller_id,
        run_id=invocation.run_id,
        root_run_id=invocation.tree,
        tool=tool,
        record_reads=invocation.record_reads and not invocation.dry_run,
    )


def _ancestors(ledger: Ledger, invocation: Invocation) -> set[str]:
    """The runs that led to the invocation's, as far as they are known."""
    try:
        return {run.id for run in ledger.runs.parent_chain(invocation.run_id or "")}
    except (RunNotFoundError, InvalidArgumentError):  # a host that does not audit
        return set()
