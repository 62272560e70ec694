"""Where every error of a command ends: one line on stderr, and the exit status that says of what kind it was.

0    done                                    4    the storage is in the way, or something is not configured
1    what was asked for was not found        70   a bug in keyledger
2    the command was not understood          130  interrupted
3    refused by a rule of the ledger         141  whoever read the output has gone
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from keyledger.adapters.cli.output import print_error
from keyledger.adapters.cli.places import NeverUsedError
from keyledger.domain.errors import (
    InvalidArgumentError,
    KeyNotFoundError,
    NotConfiguredError,
    PredicateError,
    RefusedError,
    RevisionNotFoundError,
    RunNotFoundError,
    SkillNotFoundError,
    StorageError,
)

INTERNAL, INTERRUPTED, BROKEN_PIPE = 70, 130, 141
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (KeyNotFoundError, 1),
    (RunNotFoundError, 1),
    (SkillNotFoundError, 1),
    (RevisionNotFoundError, 1),
    (NeverUsedError, 1),
    (InvalidArgumentError, 2),
    (PredicateError, 2),
    (RefusedError, 3),
    (NotConfiguredError, 4),
    (StorageError, 4),
    (OSError, 4),
)


def status_of(error: Exception) -> int:
    """The exit status that an error stands for."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), INTERNAL)


class Commands(TyperGroup):
    """The commands, with every way in which one may end."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run a command and exit with its status. Without arguments, show the help."""
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
        try:
            status = super().main(given or ["--help"], *rest, **extra | {"standalone_mode": False})
        except SystemExit:  # typer's and rich's answer to a broken pipe; their status means "not found" here
            sys.exit(BROKEN_PIPE)
        except Exception as error:  # noqa: BLE001 - the last resort: a person never meets a traceback
            sys.exit(_report(error, as_json=as_json))
        if status == INTERRUPTED:
            print_error("interrupted", "interrupted", as_json=as_json)
        sys.exit(status)


def _report(error: Exception, *, as_json: bool) -> int:
    if isinstance(error, typer.TyperException):
        print_error("invalid_argument", _with_hint(error), as_json=as_json)
        return 2
    status = status_of(error)
    if status != INTERNAL:
        print_error(getattr(error, "code", "os_error"), str(error), as_json=as_json)
        return status
    if os.environ.get("KEYLEDGER_TRACEBACK"):
        traceback.print_exception(error)
    message = f"a bug in keyledger, please report it: {type(error).__name__}: {error}"
    print_error("internal", f"{message} (KEYLEDGER_TRACEBACK=1 shows where)", as_json=as_json)
    return status


def _with_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    return f"{message} (see {context.command_path} --help)" if context else message
