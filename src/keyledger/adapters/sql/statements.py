"""SQL statements as files: one statement each, loaded into a frozen dataclass whose fields are their names."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files
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
