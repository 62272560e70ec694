"""The command exec: tool calls of an agent host in, one answer for each out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import typer

from keyledger.adapters.cli import options as opt
from keyledger.adapters.cli.lines import lines_of, opened
from keyledger.adapters.cli.output import print_json
from keyledger.adapters.cli.session import Session, command
from keyledger.adapters.tools.call import call_tool
from keyledger.adapters.tools.refusal import told
from keyledger.domain.errors import InvalidArgumentError, ValueSerializationError
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.strict import StrictModel
from keyledger.domain.toolset import Result
from keyledger.domain.values import parse_json

app = typer.Typer()


class Call(StrictModel):
    """One line: which tool, with which arguments, for whom. Tool and arguments are as a model sent them."""

    tool: Any = None
    args: Any = None
    invocation: Invocation


@command(app, "exec")
def execute(session: Session, file: opt.File) -> None:
    """Do tool calls, one JSON line each, and answer each at once with one JSON line.

    A line is {"tool": "kv_set", "args": {…}, "invocation": {"skill_id": …, "caller_id": …, "run_id": …, "flags":
    […]}}, its answer {"ok": true, "result": {…}} or {"ok": false, "error": CODE, "message": …}. A bad line or a
    refused call is answered so, and the rest still run: the exit status is 0.
    """
    with opened(file) as stream, session.open() as ledger:
        for answer in answers(ledger, lines_of(stream)):
            print_json(answer)


def answers(ledger: Ledger, lines: Iterable[bytes]) -> Iterator[Result]:
    """The answer to each line that is not blank, when it is there."""
    for line in lines:
        if line.strip():
            yield _answer(ledger, line)


def _answer(ledger: Ledger, line: bytes) -> Result:
    tool: object = None
    try:
        fields = _fields(line)
        tool = fields.get("tool")
        call = Call.model_validate(fields)
        return {"ok": True, "result": call_tool(ledger, call.tool, call.args, call.invocation)}
    except Exception as error:  # noqa: BLE001 - a bug in one call must not end the host's session
        return {"ok": False} | told(tool, error)


def _fields(line: bytes) -> dict[str, Any]:
    try:
        fields = parse_json(line.strip().decode(), "line", envelope=2)
    except UnicodeDecodeError:
        raise ValueSerializationError("line", line.strip(), "UTF-8 text") from None
    if not isinstance(fields, dict):
        raise InvalidArgumentError("line", fields, "an object of tool, args and invocation")
    return fields
