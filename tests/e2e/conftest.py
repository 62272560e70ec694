from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

import keyledger
from keyledger.adapters.cli.main import app
from tests.e2e.cli import SCRIPT, Ended, Run, Shell


@pytest.fixture
def new_ledger(tmp_path: Path) -> Path:
    """The default ledger, empty, in a folder of its own."""
    keyledger.open(f"sqlite:///{tmp_path}/keyledger.db").close()
    return tmp_path / "keyledger.db"


@pytest.fixture
def run(tmp_path: Path, new_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in the folder of an empty ledger, 80 columns wide."""
    assert new_ledger.exists()
    monkeypatch.chdir(tmp_path)
    for name in ("KEYLEDGER_URL", "KEYLEDGER_CIPHER_KEY", "KEYLEDGER_TRACEBACK", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str, stdin: str | bytes | None = None, **environment: str) -> Ended:
        result = CliRunner().invoke(app, list(arguments), input=stdin, env=environment)
        assert "Traceback" not in result.stderr
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def shell(tmp_path: Path, new_ledger: Path) -> Shell:
    """Runs a line of bash there; ``$keyledger`` is the installed script."""
    assert new_ledger.exists()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYLEDGER_")}

    def shell(command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment | {"keyledger": SCRIPT, "COLUMNS": "80"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return shell
