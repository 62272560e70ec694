"""Which adapter is meant, and which value of each setting is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from keyledger.adapters.configuration.fields import Fields
from keyledger.adapters.configuration.sources import DEFAULT_ADAPTER, Arguments, Environment, File, Settings
from keyledger.adapters.registry import adapter_named, adapter_of, available_kv_store_adapters
from keyledger.adapters.stores import DEFAULT_URLS
from keyledger.adapters.urls import masked, seen, shown_scheme
from keyledger.domain.errors import InvalidArgumentError

REUSE = "reuse_conversation_store"
"""Who says anything about a host's pool means PostgreSQL."""

Source: TypeAlias = Arguments | File | Environment


@dataclass(frozen=True, slots=True)
class Resolved:
    """The adapter, each setting's value and where it stands, and what the file and the environment disagree on."""

    adapter: str
    chosen_by: str
    values: Mapping[str, Any]
    places: Mapping[str, str]
    notices: tuple[str, ...]


def resolve(arguments: Arguments, file: File | None, environment: Environment, provider: object) -> Resolved:
    """What is in force.

    Raises:
        InvalidArgumentError: there is no such adapter, or the URL is not one of its.
    """
    adapter, chosen_by = _adapter(arguments, file, environment, provider)
    if file is not None:
        file.adapter = adapter
    sources: list[Source] = [source for source in (arguments, file, environment) if source is not None]
    values = _merged(*sources).model_dump()
    places = {name: _place(name, sources) for name in values}
    _check_pool(values, places)
    if values["url"] is None:
        values["url"] = DEFAULT_URLS.get(adapter)
    elif adapter_of(values["url"]) != adapter:
        allowed = f"a URL of the adapter {adapter!r} ({chosen_by})"
        place = "url" if "url" in arguments() else places["url"]
        raise InvalidArgumentError(place, shown_scheme(values["url"]), allowed)
    return Resolved(adapter, chosen_by, values, places, tuple(_notices(arguments, file, environment)))


def _merged(*sources: PydanticBaseSettingsSource) -> Settings:
    class Merged(Settings):
        @classmethod
        def settings_customise_sources(  # type: ignore[override]  # what is passed is not used
            cls, settings_cls: type[BaseSettings], **_: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del settings_cls
            return sources

    return Merged()


def _place(name: str, sources: list[Source]) -> str:
    for source in sources:
        if name in source():
            return "argument" if isinstance(source, Arguments) else source.place(name)
    return "default"


def _check_pool(values: Mapping[str, Any], places: Mapping[str, str]) -> None:
    if values["pool_size"] == values["max_overflow"] == 0:
        name = "pool_size" if places["max_overflow"] == "default" else "max_overflow"
        place = name if places[name] == "argument" else places[name]
        raise InvalidArgumentError(place, 0, "an integer from 1, as there would be no connection else")


def _adapter(
    arguments: Arguments, file: File | None, environment: Environment, provider: object
) -> tuple[str, str]:
    """The adapter's name, and what says so."""
    if provider is not None:
        return adapter_named("provider", provider), "argument"
    if arguments().get("url"):
        return _of_url(arguments), "argument"
    if file is not None and file.default_adapter is not None:
        place = file.place_of(DEFAULT_ADAPTER)
        return adapter_named(place, file.default_adapter), place
    if file is not None and len(file.adapters) == 1:
        place = file.place_of((*DEFAULT_ADAPTER[:-1], "adapters"))
        return adapter_named(place, file.adapters[0]), place
    if file is not None and file.adapters:
        allowed = f"one of {', '.join(file.adapters)}: which of them is meant?"
        raise InvalidArgumentError(file.place_of(DEFAULT_ADAPTER), None, allowed)
    return _without_file(arguments, environment)


def _without_file(arguments: Arguments, environment: Environment) -> tuple[str, str]:
    if environment().get("url"):
        return _of_url(environment), environment.place("url")
    if REUSE in arguments():
        return "postgres", "argument"
    return ("postgres", environment.place(REUSE)) if REUSE in environment() else ("sqlite", "default")


def _of_url(source: Arguments | Environment) -> str:
    url = source()["url"]
    name = adapter_of(url)
    if name is None:
        allowed = f"a URL of one of {', '.join(available_kv_store_adapters())}"
        raise InvalidArgumentError(source.place("url"), shown_scheme(url), allowed)
    return name


def _notices(arguments: Arguments, file: File | None, environment: Environment) -> list[str]:
    """A sentence for each setting of which the file's value is in force and the environment's differs."""
    if file is None:
        return []
    ours, theirs = file(), environment()
    return [
        f"{file.place(name)} is {shown(ours[name])}, which holds;"
        f" {environment.place(name)} is {shown(theirs[name])}"
        for name in Fields.model_fields
        if name in ours and name in theirs and name not in arguments() and ours[name] != theirs[name]
    ]


def shown(value: Any) -> str:
    """A value for people, without a password."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ", ".join(str(seen(each)) for each in value) or "none"
        case str():
            return masked(value)
        case _:
            return str(value)
