"""Adapters of other people: registered, brought by packages, broken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import keyledger
from keyledger.adapters import registry
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.registry import StorageOptions


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def memory(url: str, options: StorageOptions) -> MemoryStorage:
    assert url.startswith("shelf://")
    return MemoryStorage(options.mapper)


@pytest.mark.parametrize("name", ["shelf", "kv_store_shelf"])
def test_a_registered_adapter_opens_its_urls(name: str) -> None:
    keyledger.register_kv_store_adapter(name, memory)
    keyledger.register_kv_store_adapter(name, memory)
    with keyledger.open("shelf://top") as ledger:
        assert ledger.partition("p").set("a", 1).revision == 1
    assert "kv_store_shelf" in keyledger.available_kv_store_adapters()


def test_a_registered_adapter_is_a_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEYLEDGER_URL", raising=False)
    keyledger.register_kv_store_adapter("kv_store_shelf", memory)
    Path("keyledger.yaml").write_text("tools: {kv_store: {adapters: {shelf: {url: 'shelf://top'}, sqlite: {}}}}")
    with keyledger.load_config(provider={"provider": "kv_store_shelf"}).open() as ledger:
        assert isinstance(ledger.storage, MemoryStorage)
    with pytest.raises(keyledger.NotConfiguredError, match="the adapter 'shelf' needs a URL"):
        Path("keyledger.yaml").write_text("")
        keyledger.load_config(provider="shelf").open()


def test_the_options_of_open_reach_the_adapter() -> None:
    seen: list[StorageOptions] = []

    def noted(url: str, options: StorageOptions) -> MemoryStorage:
        seen.append(options)
        return memory(url, options)

    keyledger.register_kv_store_adapter("shelf", noted)
    keyledger.open("shelf://", lock_timeout=1.5, create=False, schema="s", pool_size=2, pool_timeout=3).close()
    (options,) = seen
    assert (options.lock_timeout, options.create, options.schema) == (1.5, False, "s")
    assert (options.pool_size, options.max_overflow, options.pool_timeout) == (2, 10, 3)


@pytest.mark.parametrize("name", ["", "kv_store_", "Shelf", "1shelf", "a/b", "ü", "a" * 65, None])
def test_a_name_that_is_no_scheme_is_refused(name: Any) -> None:
    with pytest.raises(keyledger.InvalidArgumentError, match="name: got"):
        keyledger.register_kv_store_adapter(name, memory)


@pytest.mark.parametrize(
    "name", ["sqlite", "kv_store_postgres", "postgresql", "postgresql+psycopg", "memory", "shelf"]
)
def test_a_name_in_use_is_refused(name: str) -> None:
    keyledger.register_kv_store_adapter("shelf", memory)
    with pytest.raises(
        keyledger.InvalidArgumentError, match=r"one that is not in use; there are .*kv_store_shelf"
    ):
        keyledger.register_kv_store_adapter(name, partial(memory))


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(keyledger.InvalidArgumentError, match="factory: got 'memory'"):
        keyledger.register_kv_store_adapter("shelf", "memory")  # type: ignore[arg-type]


def test_an_unknown_scheme_lists_what_there_is() -> None:
    with pytest.raises(keyledger.InvalidArgumentError) as refused:
        keyledger.open("oracle://ada:hunter2@h/d")
    assert "got 'oracle'" in str(refused.value)
    assert "there are kv_store_memory, kv_store_postgres, kv_store_sqlite" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_adapter_that_raises_is_named_and_no_password_repeated() -> None:
    def broken(url: str, options: StorageOptions) -> MemoryStorage:
        raise OSError(f"cannot reach {url}, {options.schema}")

    keyledger.register_kv_store_adapter("shelf", broken)
    with pytest.raises(keyledger.StorageUnavailableError) as refused:
        keyledger.open("shelf://ada:hunter2@top")
    assert "the adapter 'shelf' could not open its storage: OSError: cannot reach the URL, public" in str(
        refused.value
    )


def test_an_error_of_ours_comes_through() -> None:
    def busy(url: str, options: StorageOptions) -> MemoryStorage:
        raise keyledger.LedgerBusyError(f"{url} {options.schema}")

    keyledger.register_kv_store_adapter("shelf", busy)
    with pytest.raises(keyledger.LedgerBusyError, match="shelf:// public"):
        keyledger.open("shelf://")


def test_what_is_no_storage_is_refused() -> None:
    keyledger.register_kv_store_adapter("shelf", lambda url, _: url)  # type: ignore[arg-type,return-value]
    with pytest.raises(
        keyledger.NotConfiguredError, match=r"'shelf' opened str, which is no storage: it has no .*commit"
    ):
        keyledger.open("shelf://")


# ---------------------------------------------------------------------------------------- packages


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which packages are installed."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("shelf_module", None)


def install(site: Path, package: str, entry_point: str, code: str = "") -> None:
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[keyledger.adapters]\n{entry_point}\n")
    if code:
        (site / "shelf_module.py").write_text(code)


_MODULE = """
from keyledger.adapters.memory.storage import MemoryStorage
def opened(url, options):
    return MemoryStorage(options.mapper)
"""


def test_a_package_is_found_by_the_scheme_of_its_urls(site: Path) -> None:
    install(site, "shelves", "shelf = shelf_module:opened", _MODULE)
    assert "kv_store_shelf" in keyledger.available_kv_store_adapters()
    with keyledger.open("shelf://") as ledger:
        assert isinstance(ledger.storage, MemoryStorage)


def test_what_a_program_registers_comes_before_what_a_package_brings(site: Path) -> None:
    install(site, "shelves", "shelf = shelf_module:opened", "raise RuntimeError")
    keyledger.register_kv_store_adapter("shelf", memory)
    keyledger.open("shelf://").close()


def test_no_package_takes_over_what_is_shipped(site: Path) -> None:
    install(site, "shelves", "memory = shelf_module:opened", "raise RuntimeError")
    keyledger.open("memory://").close()


@pytest.mark.parametrize(
    ("entry_point", "code", "message"),
    [
        (
            "shelf = shelf_module:opened",
            "import no_such_module",
            "shelves brings the adapter 'shelf', which cannot",
        ),
        ("shelf = shelf_module:opened", "1 / 0", "cannot be imported: ZeroDivisionError"),
        ("shelf = shelf_module:nothing", _MODULE, "cannot be imported: AttributeError"),
        ("shelf = shelf_module:opened", "opened = 7", "shelves: shelf_module:opened is no function"),
    ],
)
def test_a_broken_package_is_named(entry_point: str, code: str, message: str, site: Path) -> None:
    install(site, "shelves", entry_point, code)
    with pytest.raises(keyledger.NotConfiguredError, match=message):
        keyledger.open("shelf://")


def test_two_packages_with_one_scheme_are_named(site: Path) -> None:
    install(site, "shelves", "shelf = shelf_module:opened", _MODULE)
    install(site, "boards", "shelf = board:opened")
    with pytest.raises(keyledger.NotConfiguredError, match="boards and shelves both bring an adapter 'shelf'"):
        keyledger.open("shelf://")


def test_a_class_is_no_storage() -> None:
    keyledger.register_kv_store_adapter("shelf", lambda _, __: MemoryStorage)  # type: ignore[arg-type,return-value]
    with pytest.raises(keyledger.NotConfiguredError, match="opened the class MemoryStorage"):
        keyledger.open("shelf://")


class _Shelf:
    def opened(self, url: str, options: StorageOptions) -> MemoryStorage:
        return memory(url, options)


def test_an_equal_factory_may_be_registered_again() -> None:
    shelf = _Shelf()
    keyledger.register_kv_store_adapter("shelf", shelf.opened)
    keyledger.register_kv_store_adapter("shelf", shelf.opened)
    keyledger.open("shelf://").close()


@pytest.mark.parametrize("kind", [SystemExit, OSError, keyledger.LedgerBusyError, keyledger.InvalidArgumentError])
def test_what_an_adapter_says_shows_no_piece_of_a_password(kind: type[BaseException]) -> None:
    def broken(url: str, options: StorageOptions) -> MemoryStorage:
        del url, options
        raise kind(*["no hunter 2 there"] * (3 if kind is keyledger.InvalidArgumentError else 1))

    keyledger.register_kv_store_adapter("shelf", broken)
    with pytest.raises(keyledger.StorageUnavailableError, match=r"\w+: \(not shown\)") as refused:
        keyledger.open("shelf://ada:hunter%202@top")
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize("name", ["Upper", "bad name"])
def test_a_name_that_a_package_cannot_have_is_left_out_and_said_once(
    name: str, site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry, "_warned", set())
    install(site, "shelves", f"{name} = shelf_module:opened", _MODULE)
    assert keyledger.available_kv_store_adapters() == keyledger.available_kv_store_adapters()
    assert f"kv_store_{name}" not in keyledger.available_kv_store_adapters()
    assert caplog.messages == [f"shelves brings an adapter {name!r}, which no URL can name: left out"]


def test_a_module_that_ends_the_program_is_an_error(site: Path) -> None:
    install(site, "shelves", "shelf = shelf_module:opened", "raise SystemExit(3)")
    with pytest.raises(keyledger.NotConfiguredError, match="cannot be imported: SystemExit: 3"):
        keyledger.open("shelf://")
