"""A tool call: checked, done, logged in its run, answered. Every entry passes here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from keyledger.adapters.tools.arguments import TTL_ALLOWED, ToolArguments
from keyledger.adapters.tools.kv import ToolSpec, spec_of
from keyledger.adapters.tools.refusal import refusal
from keyledger.adapters.tools.request_ids import owned
from keyledger.domain.errors import (
    InvalidArgumentError,
    NotConfiguredError,
    RequestIdReusedError,
    RunNotFoundError,
)
from keyledger.domain.invocation import Invocation
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.policy import check_access, check_flags
from keyledger.domain.toolset import MAX_ANSWER_BYTES, Result, SentArguments
from keyledger.domain.values import parse_json


def call_tool(ledger: Ledger | None, tool: str, args: SentArguments, invocation: Invocation) -> Result:
    """Do one tool call in the invocation's partition; its result, ready for JSON.

    An argument that is null counts as not given, but for ``value``. What is asked is checked in this order:
    a ledger is there, the tool is known, the flags that it requires, the arguments' names and types, the scope's
    access, the key, the value, its length, that it is JSON, the quota. Where the invocation's run was started, the
    call and its result or refusal are lines of its log; a failure to log them is counted and reported, and not the
    call's. A dry run is not logged, its reads are not recorded, and it acts on a ledger in memory: see
    :meth:`Ledger.dry_run`.

    Returns:
        kv_get: ``scope``, ``key``, ``found``, and if found ``value``, ``revision`` and ``ttl_seconds`` (only
        where the entry ends). kv_set, kv_increment, kv_restore: the same with ``ok`` in place of ``found``.
        kv_delete: ``ok``, ``scope``, ``key``, ``deleted``. kv_list: ``entries`` and ``next``, null at the end.
        kv_history: ``scope``, ``key``, ``versions`` and ``next``.

    Raises:
        NotConfiguredError: ``ledger`` is None.
        InvalidArgumentError: an unknown tool or argument, or one that is not of its form.
        FlagRequiredError: the invocation does not have a flag that the tool requires.
        ScopeAccessError: the scope is not the invocation's to use.
        KeyNotFoundError: kv_history of a key that never was, kv_restore to where it was not.
        KeyledgerError: as the operation of :class:`~keyledger.domain.kv.Partition` behind the tool.
    """
    if ledger is None:
        raise NotConfiguredError("not configured")
    sent = _read(args)
    log, run_id = ledger.runs.tool_log, invocation.run_id
    is_started = run_id is not None and log.is_kept(run_id)
    call = partial(_traced, ledger, tool, sent, invocation, is_started=is_started)
    if run_id is None or not is_started or invocation.dry_run:
        return call()
    of = log.begin_call(run_id, tool, sent)
    try:
        result = call()
    except Exception as error:
        log.end_call(run_id, of, {"ok": False} | refusal(tool, error))
        raise
    log.end_call(run_id, of, {"ok": True, "result": result})
    return result


def _traced(ledger: Ledger, tool: str, sent: object, invocation: Invocation, *, is_started: bool) -> Result:
    spec = spec_of(tool)
    shown = sent if isinstance(sent, Mapping) else {}
    with ledger.runs.tracing.call(tool, shown, invocation.run_id, invocation.skill_id) as call:
        if ledger.enforces_flags:
            check_flags(tool, spec.requires_flags, invocation.flags)
        arguments = _given(spec, _object(sent))
        invocation = _placed(ledger, invocation, is_started=is_started)
        check_access(invocation, arguments.scope, None if spec.writes else partial(ancestors, ledger, invocation))
        arguments.check()
        call.result = result = _called(ledger, tool, spec, arguments, invocation)
    return result


def _given(spec: ToolSpec, args: Mapping[str, Any]) -> ToolArguments:
    optional = spec.arguments.model_fields.keys() - {"value"}
    given = {name: value for name, value in args.items() if value is not None or name not in optional}
    return spec.arguments.model_validate(given)


def _called(ledger: Ledger, tool: str, spec: ToolSpec, arguments: ToolArguments, invocation: Invocation) -> Result:
    if not invocation.dry_run:
        return _done(_partition(ledger, tool, invocation), spec, arguments, invocation)
    with ledger.dry_runs.of(invocation.tree) as dry:
        return _done(_partition(dry, tool, invocation), spec, arguments, invocation)


def _done(partition: Partition, spec: ToolSpec, given: ToolArguments, invocation: Invocation) -> Result:
    """What the tool does, with a request id that is the invocation's own; errors tell of what was sent."""
    sent = getattr(given, "request_id", None)
    mine = given if sent is None else given.model_copy(update={"request_id": owned(sent, invocation)})
    try:
        return spec.run(partition, mine)
    except RequestIdReusedError:
        raise RequestIdReusedError(str(sent)) from None
    except InvalidArgumentError as error:
        if error.field != "ttl":
            raise
        raise InvalidArgumentError("ttl_seconds", getattr(given, "ttl_seconds", None), TTL_ALLOWED) from None


def _read(args: object) -> object:
    """What a model sent, of JSON text what it says; text that is none is refused later, in its turn."""
    try:
        return _object(args)
    except InvalidArgumentError:
        return args


def _object(args: object) -> Mapping[str, Any]:
    if isinstance(args, str | bytes):
        args = parse_json(args, "arguments", envelope=1) if args.strip() else None
    if args is None:
        return {}
    if not isinstance(args, Mapping):
        raise InvalidArgumentError("arguments", args, "an object")
    return args


def _partition(ledger: Ledger, tool: str, invocation: Invocation) -> Partition:
    partition = ledger.partition(
        invocation.skill_id,
        actor=invocation.caller_id,
        run_id=invocation.run_id,
        root_run_id=invocation.tree,
        tool=tool,
        record_reads=invocation.record_reads and not invocation.dry_run,
    )
    partition.page_bytes = MAX_ANSWER_BYTES
    return partition


def _placed(ledger: Ledger, invocation: Invocation, *, is_started: bool) -> Invocation:
    """The invocation in the dispatch tree that the audit knows its run, or else its caller's, to be in."""
    known = invocation.run_id if is_started else invocation.parent_run_id
    if invocation.root_run_id is not None or known is None:
        return invocation
    return invocation.model_copy(update={"root_run_id": ledger.runs.root_of(known)})


def ancestors(ledger: Ledger, invocation: Invocation) -> set[str]:
    """The runs that led to the invocation's: as the audit knows them, or the one that its host names."""
    known, parent = _chain(ledger, invocation.run_id), invocation.parent_run_id
    if known or parent is None:
        return known
    return {parent} | _chain(ledger, parent)


def _chain(ledger: Ledger, run_id: str | None) -> set[str]:
    if run_id is None:
        return set()
    try:
        return {run.id for run in ledger.runs.parent_chain(run_id)}
    except RunNotFoundError:  # a host that does not audit
        return set()
