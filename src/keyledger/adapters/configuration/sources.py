"""Where settings come from: a source gives values by setting, and says of each where exactly it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    YamlConfigSettingsSource,
)

from keyledger.adapters.configuration.fields import ADAPTER, Fields, check, key_of, keys, read, variables_of
from keyledger.adapters.strict_yaml import StrictLoader
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.strict import UnknownFieldError


class Settings(Fields, BaseSettings):  # type: ignore[misc]  # the one's configuration has more keys
    """The settings that are in force."""


class Arguments(InitSettingsSource):
    """What a caller passed."""

    def __init__(self, given: dict[str, Any]) -> None:
        check(given, self.place)
        super().__init__(Settings, given)

    def place(self, name: str) -> str:
        """The argument's name."""
        return name


class Environment(PydanticBaseSettingsSource):
    """Variables: of those that a setting may be read from, the first that is not empty."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self._found = {
            name: (variable, environment[variable].strip())
            for name, field in Fields.model_fields.items()
            for variable in reversed(variables_of(field))
            if environment.get(variable, "").strip()
        }
        check(self(), self.place)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """What pydantic-settings asks a source for: the value, the field's name, whether it is to be decoded."""
        return read(field, self._found[field_name][1]), field_name, False

    def place(self, name: str) -> str:
        """The variable's name."""
        return f"{self._found[name][0]} in the environment"

    def __call__(self) -> dict[str, Any]:
        return {name: self.get_field_value(Fields.model_fields[name], name)[0] for name in self._found}


class File(YamlConfigSettingsSource):
    """``keyledger.yaml``, or what stands in its place. Blocks that are not ours are left alone.

    Raises:
        InvalidArgumentError: it cannot be read, is not YAML, or says something that is not of its form.
    """

    def __init__(self, path: Path, named_by: str) -> None:
        if not path.is_file():
            raise InvalidArgumentError(named_by, str(path), "the path of a YAML file that is there")
        self.path, self.adapter = path, ADAPTER
        super().__init__(Settings, yaml_file=path)
        self._leaves = dict(_leaves(self.yaml_data, _known(), (), str(path)))
        for name in self.adapters or [ADAPTER]:
            self.adapter = name
            check(self(), self.place)

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        name = str(self.path)
        try:
            tree = yaml.load(file_path.read_text("utf-8"), StrictLoader)  # noqa: S506 - derived from the safe one
        except OSError as error:
            raise InvalidArgumentError(name, error.strerror, "a file that can be read") from error
        except UnicodeDecodeError:
            raise InvalidArgumentError(name, "(not shown)", "YAML in UTF-8") from None
        except (yaml.YAMLError, RecursionError) as error:
            raise InvalidArgumentError(f"{name}{_line(error)}", "(not shown)", _reason(error)) from None
        if not isinstance(tree, dict | None):
            raise InvalidArgumentError(name, type(tree).__name__, "a mapping with the blocks tools and skills")
        return tree or {}

    @property
    def adapters(self) -> list[str]:
        """The names of the adapters that have a block."""
        tools = self.yaml_data.get("tools") or {}
        return list((tools.get("kv_store") or {}).get("adapters") or {})

    @property
    def default_adapter(self) -> object:
        """What ``default_adapter`` says; None if nothing."""
        return self._leaves.get(DEFAULT_ADAPTER)

    def place(self, name: str) -> str:
        """The file's name, and the setting's key there."""
        return self.place_of(key_of(Fields.model_fields[name], self.adapter))

    def place_of(self, key: tuple[str, ...]) -> str:
        """The file's name and a key."""
        return f"{self.path}: {'.'.join(key)}"

    def __call__(self) -> dict[str, Any]:
        """What stands in the block of ``adapter``, and outside those of adapters; what is empty, is left out."""
        found = {
            name: self._leaves.get(key_of(field, self.adapter)) for name, field in Fields.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


DEFAULT_ADAPTER = ("tools", "kv_store", "default_adapter")
_NOT_ONLY_OURS = ((), ("tools",))


def _known() -> dict[str, Any]:
    """The keys of the file, block in block."""
    known: dict[str, Any] = {}
    for key in (*keys(), DEFAULT_ADAPTER):
        block = known
        for part in key[:-1]:
            block = block.setdefault(part, {})
        block[key[-1]] = None
    return known


def _leaves(
    node: Any, known: dict[str, Any] | None, path: tuple[str, ...], file: str
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of the keys that are known; what is not known there is refused."""
    if known is None:
        yield path, node
        return
    place = f"{file}: {'.'.join(path)}"
    if node is not None and not isinstance(node, dict):
        raise InvalidArgumentError(place, node, f"a mapping of {_named(known)}")
    for name, below in (node or {}).items():
        if isinstance(name, str) and (name in known or ADAPTER in known):
            yield from _leaves(below, known.get(name, known.get(ADAPTER)), (*path, name), file)
        elif path not in _NOT_ONLY_OURS:
            raise UnknownFieldError(f"{place}.{name}", below, _named(known))


def _named(known: dict[str, Any]) -> str:
    return "adapters by name" if ADAPTER in known else ", ".join(known)


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _reason(error: Exception) -> str:
    """What is wrong, without what is quoted: it might be a secret."""
    problem = _QUOTED.sub("…", getattr(error, "problem", None) or "")
    return f"YAML, each key once ({problem})" if problem else "YAML, each key once"


_QUOTED = re.compile("['\"].*['\"]")
