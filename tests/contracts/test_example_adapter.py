"""The adapter of the documentation: built as a package, found by its entry point, and held to the contract."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from shutil import copytree
from zipfile import ZipFile

import pytest

import keyledger
from keyledger.adapters.conformance.contract import LedgerContract

EXAMPLE = Path(__file__).parents[2] / "docs/examples/keyledger-shared-memory"
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
_names = count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, as pip would unpack it."""
    folder = tmp_path_factory.mktemp("example")
    copytree(EXAMPLE, folder / "source")
    subprocess.run(
        [sys.executable, "-c", _BUILD, str(folder)], cwd=folder / "source", check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(site)
    yield
    sys.modules.pop("keyledger_shared_memory", None)


def test_a_process_finds_it_by_the_scheme_of_its_url(site: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYLEDGER_")}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("keyledger")), "--url", "shared-memory://team", "set", "k", "1"],
        env=environment | {"PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "k: revision 1, 1 byte\n")


def test_the_page_shows_what_the_package_holds() -> None:
    page = (EXAMPLE.parents[1] / "how-to/write-an-adapter.md").read_text()
    source = (EXAMPLE / "src/keyledger_shared_memory.py").read_text()
    assert source.partition("from __future__ import annotations\n\n")[2] in page
    project = (EXAMPLE / "pyproject.toml").read_text()
    assert project[project.index("[project.entry-points") :].partition("\n\n")[0] in page


@pytest.mark.usefixtures("installed")
def test_a_name_is_one_ledger_until_it_is_closed_and_needed() -> None:
    with keyledger.open("shared-memory://a") as ledger, keyledger.open("shared-memory://b") as other:
        ledger.partition("p").set("k", 1)
        assert keyledger.open("shared-memory://a").partition("p").get("k") is not None
        assert other.partition("p").get("k") is None
    with keyledger.open("shared-memory://a") as ledger:
        assert ledger.partition("p").get("k") is None
    with pytest.raises(keyledger.InvalidArgumentError, match="shared-memory://NAME"):
        keyledger.open("shared-memory://")


@pytest.mark.usefixtures("installed")
class TestExample(LedgerContract):
    @pytest.fixture
    def reopen(self) -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, f"shared-memory://test-{next(_names)}")
