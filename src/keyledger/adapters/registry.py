"""Which storages a ledger can be opened on: those shipped, those registered, those that packages bring.

An adapter has a name, which is also the scheme of its URLs and the name of its block in ``keyledger.yaml``; as a
provider, in a persona's manifest, it is called ``kv_store_<name>``. What is shipped cannot be replaced; what a
program registers comes before what an installed package brings.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import unquote

from keyledger.adapters import stores
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.urls import NOT_SHOWN, masked, scheme_of, seen, shown_scheme
from keyledger.domain.audit.ports import LedgerStorage
from keyledger.domain.errors import (
    InvalidArgumentError,
    KeyledgerError,
    NotConfiguredError,
    StorageUnavailableError,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "keyledger.adapters"
"""The group in which a package names its adapters: each by its URL's scheme."""

PREFIX = "kv_store_"


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """What :func:`keyledger.open` was given for its storage; an adapter uses what has a meaning for it.

    ``mapper`` turns events and values into what is stored, and back: with it come encryption and compression.
    The others are the options of ``open`` of the same names.
    """

    mapper: EventMapper
    lock_timeout: float
    create: bool
    synchronous: Literal["FULL", "NORMAL"]
    schema: str
    pool_size: int
    max_overflow: int
    pool_timeout: float
    pool: Any


Factory: TypeAlias = Callable[[str, StorageOptions], LedgerStorage]
"""Takes the URL that was given to ``open``, whole, and its options; returns an open storage."""

_SHIPPED: dict[str, Factory] = {"memory": stores.memory, "postgres": stores.postgres, "sqlite": stores.sqlite}
_SCHEMES = {"postgresql": "postgres", "postgresql+psycopg": "postgres"}
_registered: dict[str, Factory] = {}
_warned: set[str] = set()
_log = logging.getLogger("keyledger")
_PIECES = re.compile(r"[/:@?&=#,\s]+")

_MOST_SAID = 300
"""Characters of what an adapter of somebody else says that are shown."""
_NAME = re.compile(r"[a-z][a-z0-9+._-]{0,63}")


def register_kv_store_adapter(name: str, factory: Factory) -> None:
    """Have ``keyledger.open`` open URLs ``<name>://…`` with ``factory``, in this process.

    ``kv_store_<name>`` is the same name. The factory is called with the URL and the
    :class:`~keyledger.adapters.registry.StorageOptions`, and returns a storage.

    Raises:
        InvalidArgumentError: the name cannot be a URL's scheme, or is taken; or the factory cannot be called.
    """
    short = name.removeprefix(PREFIX) if isinstance(name, str) else ""
    if not _NAME.fullmatch(short):
        raise InvalidArgumentError("name", seen(name), "a URL's scheme: a-z, then at most 63 of a-z 0-9 + . _ -")
    if not callable(factory):
        raise InvalidArgumentError("factory", seen(factory), "a function of a URL and StorageOptions")
    if short in _SHIPPED or short in _SCHEMES or _registered.get(short, factory) != factory:
        raise InvalidArgumentError("name", name, f"one that is not in use; {_in_use()}")
    _registered[short] = factory


def available_kv_store_adapters() -> tuple[str, ...]:
    """The names of all adapters that there are, sorted, as providers: ``kv_store_sqlite`` and so on."""
    return tuple(PREFIX + name for name in sorted({*_SHIPPED, *_registered, *_brought()}))


def adapter_of(url: object) -> str | None:
    """The name of the adapter that a URL is for; None where its scheme is unknown, or it is no URL."""
    scheme = scheme_of(url)
    name = _SCHEMES.get(scheme, scheme)
    return name if is_available(name) else None


def is_available(name: str) -> bool:
    """Whether there is an adapter of this name."""
    return name in _SHIPPED or name in _registered or name in _brought()


def adapter_named(field: str, name: object) -> str:
    """The name of an adapter that is there, without ``kv_store_``; InvalidArgumentError lists those there are."""
    short = canonical(name) if isinstance(name, str) else ""
    if not is_available(short):
        raise InvalidArgumentError(field, seen(name), f"the name of an adapter; {_in_use()}")
    return short


def canonical(name: str) -> str:
    """The one of an adapter's names that the others stand for: ``postgres`` for ``kv_store_postgresql``."""
    short = name.removeprefix(PREFIX)
    return _SCHEMES.get(short, short)


def open_storage(url: str, options: StorageOptions) -> LedgerStorage:
    """The storage that a URL names.

    Raises:
        InvalidArgumentError: no adapter knows the URL's scheme; the message lists those there are.
        NotConfiguredError: the adapter's package is broken, or what it opened is no storage.
        StorageUnavailableError: the adapter failed.
    """
    name = adapter_of(url)
    if name is None:
        shown = shown_scheme(url) if isinstance(url, str) else seen(url)
        raise InvalidArgumentError("url", shown, f"{stores.URLS}; {_in_use()}")
    if name in _SHIPPED:
        return _SHIPPED[name](url, options)
    return _opened(name, _registered.get(name) or _loaded(_brought()[name]), url, options)


def _opened(name: str, factory: Factory, url: str, options: StorageOptions) -> LedgerStorage:
    try:
        storage = factory(url, options)
    except (Exception, SystemExit) as error:
        if isinstance(error, KeyledgerError) and _said(error, url) == str(error):
            raise
        what = f"{type(error).__name__}: {_said(error, url)}"
        raise StorageUnavailableError(f"the adapter {name!r} could not open its storage: {what}") from None
    if isinstance(storage, type):
        raise NotConfiguredError(f"the adapter {name!r} opened the class {storage.__name__}, and no object of it")
    missing = [member for member in _members(LedgerStorage) if not hasattr(storage, member)]
    if missing:
        raise NotConfiguredError(
            f"the adapter {name!r} opened {type(storage).__name__}, which is no storage: it has no "
            + ", ".join(missing)
        )
    return storage


def _said(error: BaseException, url: str = "") -> str:
    """What somebody's adapter says, unless a password may be in it, which it need not show as we would."""
    text = " ".join(str(error).split())
    without = text.replace(url, "the URL") if url else text
    pieces = _PIECES.split(url.partition(":")[2]) if url and masked(url) != url else []
    if seen(without, longest=_MOST_SAID) != without or any(
        form in without for piece in pieces if piece for form in (piece, unquote(piece))
    ):
        return NOT_SHOWN
    return text if masked(url) == url else without


def _members(protocol: type) -> list[str]:
    """What a class must have to be of a protocol."""
    names = {name for base in protocol.__mro__ for name in (*vars(base), *vars(base).get("__annotations__", {}))}
    return sorted(name for name in names if not name.startswith("_"))


def _in_use() -> str:
    return f"there are {', '.join(available_kv_store_adapters())}"


# ------------------------------------------------------------------------------------------ packages


def _brought() -> Mapping[str, list[EntryPoint]]:
    """The adapters of installed packages, by name; there should be one of each."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - only where no shipped adapter is meant

    found: dict[str, list[EntryPoint]] = {}
    for entry_point in entry_points(group=ENTRY_POINTS):
        if _NAME.fullmatch(entry_point.name):
            found.setdefault(entry_point.name, []).append(entry_point)
        elif entry_point.name not in _warned:
            _warned.add(entry_point.name)
            _log.warning(
                "%s brings an adapter %r, which no URL can name: left out", _package(entry_point), entry_point.name
            )
    return found


def _loaded(entry_points: list[EntryPoint]) -> Factory:
    """The factory that a package brings."""
    if len({entry_point.value for entry_point in entry_points}) > 1:
        packages = " and ".join(sorted(map(_package, entry_points)))
        raise NotConfiguredError(f"{packages} both bring an adapter {entry_points[0].name!r}; uninstall one")
    try:
        factory = entry_points[0].load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody's module does
        raise NotConfiguredError(
            f"{_package(entry_points[0])} brings the adapter {entry_points[0].name!r}, which cannot be imported:"
            f" {type(error).__name__}: {_said(error)}"
        ) from None
    if not callable(factory):
        raise NotConfiguredError(f"{_package(entry_points[0])}: {entry_points[0].value} is no function")
    return factory  # type: ignore[no-any-return]


def _package(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else entry_point.module
