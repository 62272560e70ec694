"""Opening the ledger that ``keyledger.yaml`` and the environment configure."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyledger.adapters.urls import seen
from keyledger.domain.errors import InvalidArgumentError, NotConfiguredError
from keyledger.domain.ledger import Ledger
from keyledger.domain.skills.options import TIERS, ValidateOptions
from keyledger.opening import open as open_ledger
from keyledger.opening_async import open_async

if TYPE_CHECKING:
    from keyledger.adapters.aio.opening import Opening
    from keyledger.adapters.configuration.resolution import Resolved

DEFAULT_FILE = "keyledger.yaml"
FILE_VARIABLE = "KEYLEDGER_CONFIG"
_PREFIXES = ("KEYLEDGER_KV_", "ATLAS_KV_")
_AS_THEY_ARE = ("quota", "global_quota", "pool_size", "max_overflow", "pool_timeout", "enforce_flags")

_log = logging.getLogger("keyledger")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that is in force: its ``name``, its ``value`` as text without a password, and its ``source``.

    The source is ``argument``, a file's name and the key there, a variable's name ``in the environment``, or
    ``default``.
    """

    name: str
    value: str
    source: str


class Config:
    """What a ledger is to be opened with: from :func:`load_config`.

    ``adapter`` names the storage's adapter, ``file`` the file that was read, if one was; ``notices`` are sentences
    about settings on which the file and the environment differ.
    """

    def __init__(self, found: Resolved, file: str | None, settings: tuple[Setting, ...]) -> None:
        self.adapter, self.notices, self.file = found.adapter, found.notices, file
        self._values, self._settings = found.values, settings
        self._is_chosen = found.chosen_by != "default"

    def __repr__(self) -> str:
        return f"Config(adapter={self.adapter!r}, file={self.file!r})"

    def settings(self) -> tuple[Setting, ...]:
        """Every setting that is in force, with its source; fit to be shown, as no password is in it."""
        return self._settings

    def open(self, **more: Any) -> Ledger:  # noqa: ANN401 - what open takes
        """Open the ledger; ``more`` are options of :func:`keyledger.open`, which come before what is configured.

        A host passes its ``pool`` here: it is used unless ``reuse_conversation_store`` is false.

        Raises:
            NotConfiguredError: the adapter needs a URL, or a host's pool, and there is none.
        """
        return open_ledger(**self._options(more))

    def open_async(self, **more: Any) -> Opening:  # noqa: ANN401 - what open takes
        """Open the ledger for asyncio: as :meth:`open`, to be awaited or entered by ``async with``."""
        return open_async(**self._options(more))

    def skill_options(self, **more: Any) -> ValidateOptions:  # noqa: ANN401 - what ValidateOptions takes
        """How skills are judged, as configured; ``more`` are fields of :class:`keyledger.ValidateOptions`."""
        configured = {
            each.name: self._values[each.name] for each in fields(ValidateOptions) if each.name in self._values
        }
        return ValidateOptions(**(configured | more))

    def _options(self, more: dict[str, Any]) -> dict[str, Any]:
        values = self._values
        reuse, pool = values["reuse_conversation_store"], more.get("pool")
        if reuse is False and pool is not None:
            more, pool = more | {"pool": None}, None
        url = values["url"]
        if pool is not None and (not self._is_chosen or (url is None and self.adapter == "postgres")):
            url = "postgresql://"
        if url is None and "url" not in more:
            raise NotConfiguredError(self._without_url(reuse=reuse))
        quotas = {tier: values[f"{tier}_quota_bytes"] for tier in TIERS}
        return {
            "url": url,
            **{name: values[name] for name in _AS_THEY_ARE},
            "skill_options": self.skill_options(),
            "tier_quotas": {tier: most for tier, most in quotas.items() if most is not None},
            **more,
        }

    def _without_url(self, *, reuse: bool | None) -> str:
        key = f"tools.kv_store.adapters.{self.adapter}.url"
        wanted = f"set {key} in {self.file or DEFAULT_FILE}, or KEYLEDGER_URL"
        if reuse:
            return f"reuse_conversation_store is true, but no pool was given: pass one to open(), or {wanted}"
        return f"the adapter {self.adapter!r} needs a URL: {wanted}" + (
            ", or pass a host's pool to open()" if self.adapter == "postgres" and reuse is None else ""
        )


def load_config(
    file: str | os.PathLike[str] | None = None,
    *,
    provider: str | Mapping[str, Any] | None = None,
    **arguments: Any,  # noqa: ANN401 - they are checked
) -> Config:
    """What is configured, from arguments, a file and the environment; nothing is opened.

    The strongest first: ``arguments``, the file, ``KEYLEDGER_…`` in the environment, ``ATLAS_…`` there, defaults.
    Where file and environment differ, a warning of the logger ``keyledger`` says so.

    Args:
        file: the file's path; unless given, the one that ``KEYLEDGER_CONFIG`` names, or ``keyledger.yaml``
            in the working directory, if it is there.
        provider: the adapter, as ``kv_store_postgres``; or a tool's metadata from a persona's manifest, which
            may name one under ``provider``.
        arguments: settings by the names that :meth:`Config.settings` shows.

    Raises:
        InvalidArgumentError: a setting is not of its form; the error names it, its source and what is allowed.
    """
    config = configured(file, "file", arguments, provider)
    for notice in config.notices:
        _log.warning(notice)
    return config


def is_configured(file: str | None = None) -> bool:
    """Whether anything may be configured but a URL: else there is no need to look, which takes 80 ms."""
    if file is not None or os.environ.get(FILE_VARIABLE) or os.path.lexists(DEFAULT_FILE):
        return True
    return any(name.startswith(_PREFIXES) and value for name, value in os.environ.items())


def configured(
    file: str | os.PathLike[str] | None,
    file_option: str,
    arguments: dict[str, Any],
    provider: str | Mapping[str, Any] | None = None,
) -> Config:
    """As :func:`load_config`, without a word to the logger; ``file_option`` names the file in errors."""
    from keyledger.adapters.configuration.resolution import resolve, shown  # noqa: PLC0415 - takes 80 ms
    from keyledger.adapters.configuration.sources import Arguments, Environment, File  # noqa: PLC0415

    named = _file(file, file_option)
    read = None if named is None else File(*named)
    found = resolve(Arguments(arguments), read, Environment(os.environ), _provider(provider))
    settings = [
        Setting("adapter", found.adapter, found.chosen_by),
        *(Setting(name, shown(value), found.places[name]) for name, value in found.values.items()),
    ]
    return Config(found, None if read is None else str(read.path), tuple(settings))


def _file(given: str | os.PathLike[str] | None, option: str) -> tuple[Path, str] | None:
    """The file's path, and what named it."""
    if given is not None:
        if not isinstance(given, str | os.PathLike) or not str(given) or "\0" in str(given):
            raise InvalidArgumentError(option, seen(given), "the path of a YAML file")
        return Path(given), option
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named), f"{FILE_VARIABLE} in the environment"
    return (Path(DEFAULT_FILE), f"./{DEFAULT_FILE}") if os.path.lexists(DEFAULT_FILE) else None


def _provider(given: str | Mapping[str, Any] | None) -> object:
    return (given.get("provider") or None) if isinstance(given, Mapping) else given
