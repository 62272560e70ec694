"""SQL statements as files: one statement each, loaded into a frozen dataclass whose fields are their names."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from importlib.resources import files
from re import compile as pattern
from typing import TypeVar

T = TypeVar("T")


def load_statements(kind: type[T], package: str, folder: str = "sql") -> T:
    """An instance of the dataclass ``kind``, each field the text of ``<folder>/<field>.sql`` in ``package``."""
    where = files(package) / folder
    return kind(**{field.name: (where / f"{field.name}.sql").read_text() for field in fields(kind)})  # type: ignore[arg-type]


def load_migrations(package: str) -> list[str]:
    """The texts of ``package``'s ``migrations/*.sql``, in the order of their names."""
    folder = files(package) / "migrations"
    return [
        path.read_text()
        for path in sorted(folder.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".sql")
    ]


_CONDITION = pattern(r"(?m)^(.*) -- if (\w+)\n")


@lru_cache(maxsize=512)  # there are a few hundred sets of filters
def narrowed(statement: str, given: frozenset[str]) -> str:
    """``statement`` with those of its lines that end in ``-- if <name>`` whose name is ``given``."""
    return _CONDITION.sub(lambda line: f"{line[1]}\n" if line[2] in given else "", statement)
