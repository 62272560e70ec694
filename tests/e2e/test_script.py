"""The installed script: what only a process can show."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.e2e.cli import SCRIPT, Shell, call

COMMANDS = (
    *("set", "get", "list", "delete", "incr", "usage", "history", "import", "exec", "sweep", "rebuild", "demo"),
    "partitions",
)


def test_the_script_sets_gets_and_tells_its_version(shell: Shell) -> None:
    done = shell("$keyledger set k '{\"a\":1}' --json && $keyledger get k && $keyledger --version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ['{"a":1}', f"keyledger {version('keyledger')}"]


def test_the_script_exits_with_the_status_of_the_error(shell: Shell) -> None:
    done = shell("$keyledger get k; echo $?; $keyledger get; echo $?; $keyledger --url x: get k; echo $?")
    assert done.stdout == "1\n2\n2\n"
    assert done.stderr.count("\n") == 3


def test_without_arguments_the_help_is_shown(shell: Shell) -> None:
    assert shell("$keyledger").stdout == shell("$keyledger --help").stdout
    help_text = shell("$keyledger").stdout
    for command in COMMANDS:
        assert f"│ {command} " in help_text
    panels = [line.split()[1:-1] for line in help_text.splitlines() if line.startswith("╭─ ")]
    named = [" ".join(words).rstrip("─ ") for words in panels]
    assert named == ["Options", "Keys", "The past", "Runs", "Agents", "The ledger"]


def test_the_help_needs_no_driver(shell: Shell) -> None:
    program = "import sys, keyledger.adapters.cli.main; sys.exit('psycopg' in sys.modules)"
    assert shell(f'{sys.executable} -c "{program}"').returncode == 0


def test_a_broken_pipe_is_quiet(shell: Shell) -> None:
    calls = (call("kv_get", key="k") + "\n") * 2_000
    done = shell("$keyledger exec - | head -n 1; echo ${PIPESTATUS[0]}", stdin=calls)
    assert (done.stdout.splitlines()[1], done.stderr) == ("141", "")
    done = shell("$keyledger demo | head -n 1; echo ${PIPESTATUS[0]}")
    assert (done.stdout.splitlines()[1], done.stderr) == ("141", "")


def test_an_output_without_unicode_still_prints(shell: Shell) -> None:
    done = shell("export PYTHONIOENCODING=ascii; $keyledger set ü '\"é\"'; $keyledger list; $keyledger get ü")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xfc" in done.stdout
    assert done.stdout.endswith('"é"\n')


def test_exec_answers_at_once_and_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [SCRIPT, "exec", "-"],
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a shell may have ignored it
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for revision in (1, 2):
            process.stdin.write(call("kv_set", key="k", value=revision).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["result"]["revision"] == revision
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b"error: interrupted\n"
