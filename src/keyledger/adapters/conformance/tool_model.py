"""What tool calls should come to, written down a second time: dicts, and who may use which scope."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from keyledger.domain.invocation import Invocation
from keyledger.domain.toolset import Result

Space: TypeAlias = tuple[str, str]
"""Where entries live: ``partition`` and the skill, or ``tree`` and its root."""

Place: TypeAlias = tuple[str, str]
"""A scope and a key."""

GONE: Any = object()


class Change(NamedTuple):
    """What became of a place at a revision; ``value`` is GONE where it ended."""

    revision: int
    place: Place
    value: Any


class RefusedByModelError(Exception):
    """The model expects a refusal with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ToolModel:
    """Every space's changes; ``parents`` has, of each run that was started, the run above it, or none."""

    def __init__(self, parents: dict[str, str | None]) -> None:
        self.parents = parents
        self.changes: dict[Space, list[Change]] = {}

    def space(self, by: Invocation, scope: str) -> Space:
        """Where a scope's entries live, for an invocation."""
        kind, _, identity = scope.partition(":")
        return ("tree", identity) if kind == "root_run" else ("partition", by.skill_id)

    def live(self, space: Space, until: int | None = None) -> dict[Place, Any]:
        """What stands in a space, or stood at a revision."""
        found: dict[Place, Any] = {}
        for change in self.changes.get(space, []):
            if until is None or change.revision <= until:
                found[change.place] = change.value
        return {place: value for place, value in found.items() if value is not GONE}

    def versions(self, space: Space, place: Place) -> list[Change]:
        """What was done to a place, newest first."""
        return [change for change in reversed(self.changes.get(space, [])) if change.place == place]

    def head(self, space: Space) -> int:
        """The last revision of a space."""
        changes = self.changes.get(space)
        return changes[-1].revision if changes else 0

    def record(self, space: Space, place: Place, value: Any) -> None:
        """The next change of a space."""
        self.changes.setdefault(space, []).append(Change(self.head(space) + 1, place, value))

    # ------------------------------------------------------------------------------------ who may

    def check(self, by: Invocation, scope: str, *, writes: bool) -> None:
        """RefusedByModelError unless the invocation may use a scope so."""
        if scope == "skill":
            return
        kind, colon, identity = scope.partition(":")
        is_id = 0 < len(identity.encode()) <= 256 and not identity.startswith("__root_run__")
        if kind not in {"user", "run", "root_run"} or not colon or not is_id or "\0" in identity:
            raise RefusedByModelError("invalid_argument")
        own: dict[str, set[str | None]] = {
            "user": {by.caller_id},
            "run": {by.run_id} | (set() if writes else self._above(by)),
            "root_run": {self._root(by)},
        }
        if identity not in own[kind] and not (kind == "user" and by.is_admin):
            raise RefusedByModelError("access_denied")

    def _above(self, by: Invocation) -> set[str | None]:
        if by.run_id in self.parents:
            return self._chain(self.parents[by.run_id])
        return {by.parent_run_id} | self._chain(by.parent_run_id)

    def _root(self, by: Invocation) -> str | None:
        if by.root_run_id is not None:
            return by.root_run_id
        run = by.run_id if by.run_id in self.parents or by.parent_run_id is None else by.parent_run_id
        while run in self.parents and self.parents[run] is not None:
            run = self.parents[run]
        return run

    def _chain(self, run: str | None) -> set[str | None]:
        found: set[str | None] = set()
        while run in self.parents:
            found.add(run)
            run = self.parents[run]
        return found


def shown(change: Change) -> Result:
    """What kv_history tells of a change, of what the model knows."""
    said: Result = {"revision": change.revision}
    return said if change.value is GONE else said | {"value": change.value}
