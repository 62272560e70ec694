"""The mcp command: options that make no sense, and what it needs. What it serves is tested in tests/mcp."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from keyledger.domain.policy import WRITE_FLAG
from tests.e2e.cli import Run, Shell

WHO = ("--skill", "weather", "--caller", "ada")
HTTP = ("--transport", "http")
TOKEN = "sesame-0123456789-ABCDEF"  # noqa: S105 - of no door


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({TOKEN: {"skill_id": "weather", "caller_id": "ada"}}))
    return str(file)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            (*WHO, "--tokens", "tokens.yaml"),
            "--tokens: got 'tokens.yaml'; allowed is nothing without --transport http",
        ),
        (("--skill", "", "--caller", "ada"), "--skill: got ''"),
        (("--skill", "__root_run__x", "--caller", "ada"), "--skill: got '__root_run__x'"),
        ((*WHO, "--run", "a\0b"), "--run: got 'a\\x00b'"),
        ((*WHO, "--channel", "x" * 300), "--channel: got 'xxx"),
        ((*WHO, "--read-only", "--flag", WRITE_FLAG), f"--flag: got '{WRITE_FLAG}'"),
        ((*WHO, "--host", "127.0.0.1"), "--host: got '127.0.0.1'; allowed is nothing"),
        ((*WHO, "--port", "1"), "--port: got 1; allowed is nothing"),
        ((*WHO, *HTTP, "--port", "65536"), "'--port': Input should be less than or equal to 65535"),
        ((*WHO, "--transport", "sse"), "'sse' is not one of 'stdio', 'http'"),
        ((*WHO, *HTTP, "--host", "0.0.0.0"), "--host: got '0.0.0.0'; allowed is 127.0.0.1"),  # noqa: S104
        ((*WHO, *HTTP, "--host", "a host"), "--host: got 'a host'; allowed is 127.0.0.1"),
    ],
)
def test_options_that_make_no_sense_say_what_does(run: Run, options: tuple[str, ...], told: str) -> None:
    done = run("mcp", *options, "--json")
    assert (done.status, done.out) == (2, "")
    assert done.error["error"] == "invalid_argument"
    assert told in done.error["message"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "--skill required"),
        (WHO[:2], "--caller required"),
        (HTTP, "--skill required, unless --tokens FILE says who may call"),
        ((*HTTP, *WHO[:2]), "--caller required, unless --tokens FILE says who may call"),
    ],
)
def test_whom_it_serves_is_required(run: Run, options: tuple[str, ...], told: str) -> None:
    done = run("mcp", *options)
    assert (done.status, done.err) == (2, f"error: {told}\n")


@pytest.mark.parametrize("option", [*("--skill", "--caller", "--run", "--root-run", "--parent-run"), "--channel"])
def test_with_tokens_only_their_file_says_who_calls(run: Run, tokens: str, option: str) -> None:
    done = run("mcp", *HTTP, "--tokens", tokens, option, "x", "--json")
    assert (done.status, done.error["error"]) == (2, "invalid_argument")
    assert done.error["message"].startswith(f"{option}: got 'x'; allowed is nothing")


@pytest.mark.parametrize("option", ["--admin", "--read-only", f"--flag={WRITE_FLAG}"])
def test_with_tokens_only_their_file_grants(run: Run, tokens: str, option: str) -> None:
    done = run("mcp", *HTTP, "--tokens", tokens, option)
    assert done.status == 2
    assert f"{option.partition('=')[0]}: got " in done.err


def test_tokens_are_for_http_and_never_shown(run: Run, tokens: str, tmp_path: Path) -> None:
    done = run("mcp", "--tokens", tokens, *WHO)
    assert (done.status, TOKEN in done.err) == (2, False)
    (tmp_path / "tokens.json").write_text(f"{TOKEN}: {TOKEN}")
    done = run("mcp", *HTTP, "--tokens", tokens)
    assert (done.status, TOKEN in done.err) == (2, False)


def test_a_port_that_is_taken_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("mcp", *HTTP, *WHO, "--port", str(port), "--json")
    assert done.status == 2
    assert done.error["message"].startswith(f"--host: got '127.0.0.1:{port}'; allowed is where this may listen")


def test_a_host_that_no_name_leads_to_is_named(run: Run, tokens: str) -> None:
    done = run("mcp", *HTTP, "--tokens", tokens, "--host", "no.such.host.invalid", "--json")
    assert (done.status, done.error["error"]) == (2, "invalid_argument")


def test_without_the_extra_it_says_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    done = run("mcp", *WHO, "--json")
    assert (done.status, done.error["error"]) == (4, "not_configured")
    assert "pip install 'keyledger[mcp]'" in done.error["message"]


@pytest.mark.parametrize(
    ("closed", "told"), [("<&-", "an open standard input"), (">&-", "an open standard output")]
)
def test_without_standard_input_or_output_it_does_not_serve(shell: Shell, closed: str, told: str) -> None:
    done = shell(f"$keyledger mcp --skill weather --caller ada {closed}")
    assert (done.returncode, done.stderr) == (2, f"error: -: got None; allowed is {told}\n")


def test_a_reading_server_makes_no_ledger(run: Run, tmp_path: Path) -> None:
    done = run("mcp", *WHO, "--read-only", "--url", f"sqlite:///{tmp_path}/typo.db", "--json")
    assert (done.status, done.error["error"]) == (4, "storage_unavailable")
    assert not (tmp_path / "typo.db").exists()


def test_other_commands_do_not_import_the_sdk() -> None:
    program = "import sys, keyledger.adapters.cli.main; sys.exit('mcp' in sys.modules or 'anyio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
