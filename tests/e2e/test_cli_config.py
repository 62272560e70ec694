"""keyledger config, and commands on a ledger that a file configures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cli import Run

_FILE = """\
tools:
  kv_store:
    adapters:
      sqlite:
        url: sqlite:///configured.db
        namespace_quota_bytes: 5
"""


def test_settings_are_printed_with_their_sources(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keyledger.yaml").write_text(_FILE)
    done = run("config", ATLAS_KV_GLOBAL_QUOTA_BYTES="99")
    assert done.status == 0
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "quota 5 (keyledger.yaml: tools.kv_store.adapters.sqlite.namespace_quota_bytes)" in lines
    assert "global_quota 99 (ATLAS_KV_GLOBAL_QUOTA_BYTES in the environment)" in lines
    assert "pool_timeout 10.0 (default)" in lines
    assert not (tmp_path / "configured.db").exists()


def test_programs_get_one_document(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(_FILE)
    for arguments in (
        ("--config", "other.yaml", "config", "--json"),
        ("--json", "config", "--config", "other.yaml"),
    ):
        found = run(*arguments, KEYLEDGER_URL="sqlite:///x.db").json
        assert found["file"] == "other.yaml"
        assert {"name": "adapter", "value": "sqlite", "source": "other.yaml: tools.kv_store.adapters"} in found[
            "settings"
        ]
        (notice,) = found["notices"]
        assert notice.startswith(
            "other.yaml: tools.kv_store.adapters.sqlite.url is sqlite:///configured.db, which"
        )
        assert notice.endswith("; KEYLEDGER_URL in the environment is sqlite:///x.db")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_no_password_is_printed(run: Run, tmp_path: Path, as_json: tuple[str, ...]) -> None:
    (tmp_path / "keyledger.yaml").write_text(
        _FILE.replace("sqlite", "postgres", 1).replace("sqlite:///", "postgres://a:hunter2@")
    )
    done = run("config", *as_json, KEYLEDGER_URL="postgresql://b:hunter2@h/d")
    assert "a:***@" in done.out
    assert "b:***@" in done.out + done.err
    assert "hunter2" not in done.out + done.err


def test_commands_open_what_is_configured(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keyledger.yaml").write_text(_FILE)
    assert run("set", "k", "12345").status == 0
    assert run("set", "k", "123456").status == 3
    assert (tmp_path / "configured.db").exists()
    assert run("get", "k", "--url", "sqlite:///keyledger.db").status == 1
    assert run("get", "k", ATLAS_KV_STORE_URL="sqlite:///keyledger.db").out == "12345\n"


def test_where_the_file_and_the_environment_differ_people_are_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keyledger.yaml").write_text(_FILE)
    run("set", "k", "1")
    done = run("get", "k", KEYLEDGER_URL="sqlite:///x.db")
    assert (done.out, done.err.count("which holds; KEYLEDGER_URL in the environment is")) == ("1\n", 1)
    assert run("get", "k", "--json", KEYLEDGER_URL="sqlite:///x.db").err == ""
    assert run("get", "k", KEYLEDGER_URL="sqlite:///configured.db").err == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--config", "no.yaml", "get", "k"], {}, "error: --config: got 'no.yaml'; allowed is the path of"),
        (
            ["get", "k"],
            {"KEYLEDGER_CONFIG": "no.yaml"},
            "error: KEYLEDGER_CONFIG in the environment: got 'no.yaml'",
        ),
        (
            ["get", "k"],
            {"ATLAS_KV_POOL_SIZE": "x"},
            "error: ATLAS_KV_POOL_SIZE in the environment: got 'x'; allowed",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    run: Run, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    done = run(*arguments, **environment)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(message)


def test_without_a_file_nothing_is_imported_that_reads_one() -> None:
    code = (
        "import sys\nfrom keyledger.adapters.cli.main import app\n"
        "try: app(['--url', 'memory://', 'set', 'k', '1'])\nexcept SystemExit as done: assert not done.code\n"
        "assert not {'yaml', 'pydantic_settings', 'psycopg'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
