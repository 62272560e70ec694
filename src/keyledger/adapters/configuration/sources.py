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
from keyledger.adapters.registry import canonical
from keyledger.adapters.strict_yaml import StrictLoader
from keyledger.adapters.urls import NOT_SHOWN, seen
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


class _Loader(StrictLoader):
    """Numbers are what they look like: YAML 1.1 takes 017 for fifteen, and 1:30 for ninety."""


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float | str:
    """The number; the text where it could be taken for another, or is none, for the model to refuse."""
    text = str(loader.construct_scalar(node))
    if _PLAIN_NUMBER.fullmatch(text) is None:
        return text
    try:
        integer = node.tag == "tag:yaml.org,2002:int"
        return loader.construct_yaml_int(node) if integer else loader.construct_yaml_float(node)
    except ValueError:
        return text


_PLAIN_NUMBER = re.compile(
    r"[+-]?(0|[1-9][0-9_]*|0x[0-9a-f_]+|0b[01_]+|[0-9_]*\.[0-9_]*(e[+-]?[0-9]+)?|\.(inf|nan))", re.IGNORECASE
)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


class File(YamlConfigSettingsSource):
    """``keyledger.yaml``, or what stands in its place. Blocks that are not ours are left alone.

    Raises:
        InvalidArgumentError: it cannot be read, is not YAML, or says something that is not of its form.
    """

    def __init__(self, path: Path, named_by: str) -> None:
        if not _is_file(path):
            got = seen(str(path), longest=_LONGEST_PATH)
            raise InvalidArgumentError(named_by, got, "the path of a YAML file that is there")
        self.named_by = named_by
        self.path, self.adapter = path, ADAPTER
        super().__init__(Settings, yaml_file=path)
        self._written: dict[str, str] = {}
        self._leaves = dict(self._read(self.yaml_data, _known(), ()))
        for name in self.adapters or [ADAPTER]:
            self.adapter = name
            check(self(), self.place)

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        name = str(self.path)
        try:
            tree = yaml.load(file_path.read_text("utf-8"), _Loader)  # noqa: S506 - derived from the safe one
        except OSError as error:
            allowed = f"a file that can be read ({error.strerror})"
            raise InvalidArgumentError(self.named_by, name, allowed) from error
        except UnicodeDecodeError:
            raise InvalidArgumentError(name, NOT_SHOWN, "YAML in UTF-8") from None
        except Exception as error:  # noqa: BLE001 - the loader raises whatever a constructor does
            raise InvalidArgumentError(f"{name}{_line(error)}", NOT_SHOWN, _reason(error)) from None
        if not isinstance(tree, dict | None):
            raise InvalidArgumentError(name, type(tree).__name__, "a mapping with the blocks tools and skills")
        return tree or {}

    def _read(
        self, node: Any, known: dict[str, Any] | None, path: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], Any]]:
        """The values of the keys that are known; what is not known there is refused."""
        if known is None:
            yield path, node
            return
        if node is not None and not isinstance(node, dict):
            raise InvalidArgumentError(self.place_of(path), seen(node), f"a mapping of {_named(known)}")
        for written, below in (node or {}).items():
            name = self._adapter(written) if ADAPTER in known and isinstance(written, str) else written
            if isinstance(name, str) and (name in known or ADAPTER in known):
                yield from self._read(below, known.get(name, known.get(ADAPTER)), (*path, name))
            elif path not in _NOT_ONLY_OURS:
                raise UnknownFieldError(self.place_of((*path, str(seen(name)))), NOT_SHOWN, _named(known))

    def _adapter(self, written: str) -> str:
        """The name of an adapter that has a block, whichever of its names stands there."""
        name = canonical(written)
        if name in self._written:
            place = self.place_of((*ADAPTERS, written))
            raise InvalidArgumentError(
                place, NOT_SHOWN, f"one block for {self._written[name]!r}, which this is too"
            )
        self._written[name] = written
        return name

    @property
    def adapters(self) -> list[str]:
        """The names of the adapters that have a block."""
        return list(self._written)

    @property
    def default_adapter(self) -> object:
        """What ``default_adapter`` says; None if nothing."""
        return self._leaves.get(DEFAULT_ADAPTER)

    def place(self, name: str) -> str:
        """The file's name, and the setting's key there."""
        return self.place_of(key_of(Fields.model_fields[name], self.adapter))

    def place_of(self, key: tuple[str, ...]) -> str:
        """The file's name and a key."""
        return f"{self.path}: {'.'.join(str(seen(self._written.get(part, part))) for part in key)}"

    def __call__(self) -> dict[str, Any]:
        """What stands in the block of ``adapter``, and outside those of adapters; what is empty, is left out."""
        found = {
            name: self._leaves.get(key_of(field, self.adapter)) for name, field in Fields.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


DEFAULT_ADAPTER = ("tools", "kv_store", "default_adapter")
ADAPTERS = ("tools", "kv_store", "adapters")
_LONGEST_PATH = 200
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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is too long, or a folder above it is closed
        return False


def _named(known: dict[str, Any]) -> str:
    return "adapters by name" if ADAPTER in known else ", ".join(known)


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _reason(error: Exception) -> str:
    """What is wrong, without what is quoted: it might be a secret."""
    problem = _UNSAFE.sub("…", getattr(error, "problem", None) or "")
    return f"YAML, each key once ({problem})" if problem else "YAML, each key once"


_UNSAFE = re.compile("(?s)['\"].*['\"]|(?<=the key ).*(?= twice)")
