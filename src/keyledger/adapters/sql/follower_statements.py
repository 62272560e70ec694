"""The SQL of followers, under the same names on every engine: a field for each file in ``sql/followers/``.

``{table}`` and ``{other}`` in a text stand for the quoted names of tables, which no parameter can carry.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FollowerStatements:
    """The texts of the statements, by name."""

    count_in_motion: str
    drop_followed: str
    insert_generation: str
    list_ahead_since: str
    list_behind: str
    list_behind_since: str
    list_generations: str
    list_relations: str
    move_generation: str
    promote_generation: str
    put_cursors: str
    read_followed: str
    read_newest_change: str
    read_settled: str
    read_spans: str
    remove_followed: str
    remove_generation: str
    rename_followed: str
    trim_cursors: str
