"""What the tests of the command line share: running it, and lines to feed it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as the one JSON document that it must be."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The one JSON document on stderr."""
        assert self.err.count("\n") == 1
        return json.loads(self.err)


SCRIPT = str(Path(sys.executable).with_name("keyledger"))

Run: TypeAlias = Callable[..., Ended]
Shell: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

FLAGS = ["type.system.kv_store_access", "type.system.kv_store_write"]
INVOCATION = {"skill_id": "weather", "caller_id": "ada", "flags": FLAGS}


def call(tool: str, /, **args: Any) -> str:
    """A line for exec."""
    return json.dumps({"tool": tool, "args": args, "invocation": INVOCATION})


def record(**fields: Any) -> str:
    """A line for import."""
    return json.dumps({"partition": "p", "key": "k", "value": 1, **fields})
