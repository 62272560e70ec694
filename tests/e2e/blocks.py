"""Code blocks of Markdown pages: found, run, and compared with what the page shows.

Blocks of one page run in order, in one folder of their own. ``python`` blocks share a namespace; one with
``>>>`` is compared as doctest would. ``console`` blocks are what a shell shows: a line ``$ …`` is a command,
lines ``> …`` after it continue it, and the rest is its output, of stdout and stderr together. In any output
``…`` stands for any text on its line, and a line ``…`` for any lines; what differs from run to run (times,
ids, the temporary folder) is the same on both sides.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

FENCE = "```"


class Block(NamedTuple):
    """A fenced block: the page, the line of its fence, its language, its text."""

    page: Path
    line: int
    language: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    opened, language, lines = 0, "", list[str]()
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if opened and line == FENCE:
            yield Block(page, opened, language, "\n".join(lines) + "\n")
            opened = 0
        elif opened:
            lines.append(line)
        elif line.startswith(FENCE):
            opened, language, lines = number, line.removeprefix(FENCE), []
    assert not opened, f"{page}:{opened}: a block that does not end"


# ------------------------------------------------------------------------------------------- comparing

_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"datetime\.datetime\(.*?\)(?=[,)\]])"), "<time>"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?\b"), "<clock>"),
    (re.compile(r"""(request_id["']?[:=] ?)["'][\w-]{12}-\d+["']"""), r"\1<id>"),
    (re.compile(r"(ttl_seconds[\"']?[:=] ?)\d+"), r"\1<seconds>"),
    (re.compile(r"\b[\d,]+(\.\d+)? ?s\b"), "<seconds>"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "<address>"),
)


def normalised(text: str, folder: Path | None = None) -> list[str]:
    """The lines of an output, less what differs from run to run, and less blanks at their ends."""
    if folder is not None:
        text = text.replace(str(folder), "/folder")
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def matches(want: Sequence[str], got: Sequence[str]) -> bool:
    """Whether lines fit those wanted, in which ``…`` stands for any text, and alone for any lines."""
    if not want:
        return not got
    if want[0].strip() == "…":
        return any(matches(want[1:], got[start:]) for start in range(len(got) + 1))
    if not got:
        return False
    pattern = ".*".join(map(re.escape, want[0].split("…")))
    return re.fullmatch(pattern, got[0]) is not None and matches(want[1:], got[1:])


class _Checker(doctest.OutputChecker):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        del optionflags
        return matches(normalised(want), normalised(got, self._folder))


# --------------------------------------------------------------------------------------------- running


class Page:
    """Runs the blocks of one page in ``folder``, in this process's environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._shell.communicate("exit\n", timeout=10)

    def run(self, block: Block) -> None:
        """Run a block; AssertionError, naming its line, where it does not do what it shows."""
        if block.language == "console":
            self._run_console(block)
        elif ">>> " in block.text:
            self._run_session(block)
        else:
            source = "\n" * block.line + block.text
            exec(compile(source, str(block.page), "exec", dont_inherit=True), self._names)  # noqa: S102

    def _run_session(self, block: Block) -> None:
        where = f"{block.page}:{block.line}"
        session = doctest.DocTestParser().get_doctest(block.text, self._names, where, str(block.page), block.line)
        session.globs = self._names
        report: list[str] = []
        runner = doctest.DocTestRunner(_Checker(self._folder), verbose=False)
        runner.run(session, out=report.append, clear_globs=False)
        assert not report, "".join(report)

    def _run_console(self, block: Block) -> None:
        for line, command, output in _commands(block):
            got = normalised(self._in_shell(command), self._folder)
            want = normalised(output)
            told = "\n".join(got)
            assert matches(want, got), f"{block.page}:{line}: $ {command}\n{told}\n--- is not what the page shows"

    def _in_shell(self, command: str) -> str:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        mark = "--- end of command ---"
        self._shell.stdin.write(f"{command}\n__status=$?; printf '\\n{mark}\\n'; (exit $__status)\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line == f"{mark}\n":
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended at {command!r}: {''.join(lines)}")


_OTHERWISE = {"COLUMNS": "90", "LC_ALL": "C.UTF-8", "GIT_CONFIG_GLOBAL": os.devnull}
_UNSET = ("PYTEST_", "FORCE_COLOR", "PY_COLORS", "TTY_COMPATIBLE")


def _environment() -> dict[str, str]:
    """A shell's: the same everywhere, with programs beside the interpreter that runs the tests first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_UNSET)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | _OTHERWISE | {"PATH": path}


def _commands(block: Block) -> Iterator[tuple[int, str, str]]:
    """Each command of a console block: its line in the page, its text, and the output that is shown."""
    found: list[tuple[int, str, str]] = []
    continues = False
    for number, line in enumerate(block.text.splitlines(keepends=True), block.line + 1):
        if line.startswith("$ "):
            found.append((number, line[2:].rstrip("\n"), ""))
            continues = True
            continue
        assert found, f"{block.page}:{number}: output before the first command"
        start, command, output = found.pop()
        if continues and line.startswith(">"):
            command += "\n" + line[2:].rstrip("\n")
        else:
            continues = False
            output += line
        found.append((start, command, output))
    return iter(found)
