"""A Hypothesis state machine of tool calls by many tenants: nobody reads or writes outside what is theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.tool_model import GONE, RefusedByModelError, Space, ToolModel, shown
from keyledger.adapters.conformance.tool_tenants import (
    ALIKE,
    COMPOSED,
    DECOMPOSED,
    PARENTS,
    SKILLS,
    ScopeMaker,
    scopes,
    tenants,
)
from keyledger.domain.audit.records import RunInfo
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from keyledger.domain.scope import ROOT_RUN_PARTITION
from keyledger.domain.toolset import Result

_KEYS = st.sampled_from(
    [*"kkkkkk", "k:", "k:1", "K", "user:a", "../k", "%", "_", COMPOSED, DECOMPOSED, ALIKE, "a", ""]
)
_PREFIXES = st.sampled_from(["", "k", "k:", "%", "_", "e", COMPOSED, "user:", "K"])
_VALUES = st.none() | st.integers(0, 9) | st.just("x")


class ToolMachine(RuleBasedStateMachine):
    """Calls tools for many invocations, through two ledgers, and compares each answer with the model's."""

    open_ledger: ClassVar[Callable[[], Callable[..., Ledger]]]

    @initialize()
    def open(self) -> None:
        """Open the ledger twice, and start some runs."""
        self.model, self.turn = ToolModel(PARENTS), 0
        reopen, clock = type(self).open_ledger(), ManualClock()
        self.ledgers = [reopen(clock=clock), reopen(clock=clock)]
        for run_id, parent in PARENTS.items():
            self.ledgers[0].runs.start(RunInfo(run_id, "s", parent_run_id=parent or ""))

    def teardown(self) -> None:
        """Compare everything that stands anywhere, and close."""
        if hasattr(self, "ledgers"):
            for space in self.model.changes:
                assert self._stands(space) == self.model.live(space)
            for ledger in self.ledgers:
                ledger.close()

    @rule(by=tenants(), of=scopes(), key=_KEYS)
    def get(self, by: Invocation, of: ScopeMaker, key: str) -> None:
        """Read a key."""
        self._call(by, "kv_get", {"scope": of(by), "key": key}, self._found)

    @rule(by=tenants(), of=scopes(), key=_KEYS, value=_VALUES)
    def set(self, by: Invocation, of: ScopeMaker, key: str, value: Any) -> None:
        """Write a key."""
        self._call(by, "kv_set", {"scope": of(by), "key": key, "value": value}, self._written(lambda _: value))

    @rule(by=tenants(), of=scopes(), key=_KEYS)
    def increment(self, by: Invocation, of: ScopeMaker, key: str) -> None:
        """Count in a key."""

        def counted(before: Any) -> int:
            if type(before) is not int and before is not GONE:
                raise RefusedByModelError("invalid_value_type")
            return 1 if before is GONE else before + 1

        self._call(by, "kv_increment", {"scope": of(by), "key": key}, self._written(counted))

    @rule(by=tenants(), of=scopes(), key=_KEYS)
    def delete(self, by: Invocation, of: ScopeMaker, key: str) -> None:
        """Delete a key."""

        def deleted(space: Space, args: Result) -> Result:
            place = str(args["scope"]), str(args["key"])
            was_there = place in self.model.live(space)
            if was_there:
                self.model.record(space, place, GONE)
            return {"ok": True, **args, "deleted": was_there}

        self._call(by, "kv_delete", {"scope": of(by), "key": key}, deleted)

    @rule(by=tenants(), of=scopes(), prefix=_PREFIXES)
    def list(self, by: Invocation, of: ScopeMaker, prefix: str) -> None:
        """List keys."""

        def listed(space: Space, args: Result) -> Result:
            keys = sorted(
                (key for at, key in self.model.live(space) if at == args["scope"] and key.startswith(prefix)),
                key=str.encode,
            )
            return {"entries": [self._entry(space, (str(args["scope"]), key)) for key in keys], "next": None}

        self._call(by, "kv_list", {"scope": of(by), "prefix": prefix}, listed)

    @rule(by=tenants(), of=scopes(), key=_KEYS)
    def history(self, by: Invocation, of: ScopeMaker, key: str) -> None:
        """Read what was done to a key."""

        def told(space: Space, args: Result) -> Result:
            versions = self.model.versions(space, (str(args["scope"]), key))
            if not versions:
                raise RefusedByModelError("not_found")
            return {**args, "versions": [shown(change) for change in versions], "next": None}

        self._call(by, "kv_history", {"scope": of(by), "key": key}, told)

    @rule(by=tenants(), of=scopes(), key=_KEYS, to=st.integers(0, 12))
    def restore(self, by: Invocation, of: ScopeMaker, key: str, to: int) -> None:
        """Bring a key back."""

        def restored(space: Space, args: Result) -> Result:
            place = str(args["scope"]), key
            if to > self.model.head(space):
                raise RefusedByModelError("revision_not_found")
            then = self.model.live(space, to)
            if place not in then:
                raise RefusedByModelError("not_found")
            now = self.model.live(space)
            if place not in now or not _same(now[place], then[place]):
                self.model.record(space, place, then[place])
            return {"ok": True, "scope": args["scope"], "key": key} | self._content(space, place)

        args: Result = {"scope": of(by), "key": key, "to": to}
        self._call(by, "kv_restore", args, restored)

    @rule(by=tenants(), of=scopes(), key=_KEYS)
    def dry(self, by: Invocation, of: ScopeMaker, key: str) -> None:
        """Write in a dry run, which changes nothing that anybody sees."""
        args = {"scope": of(by), "key": key, "value": "dry"}
        self.ledgers[0].tools(by.model_copy(update={"dry_run": True})).call("kv_set", args)

    @invariant()
    def nobody_made_a_partition_of_his_own(self) -> None:
        """Only skills have partitions, beside the one of the trees."""
        if hasattr(self, "ledgers"):
            assert {info.id for info in self.ledgers[0].partitions()} <= {*SKILLS, ROOT_RUN_PARTITION}

    # -------------------------------------------------------------------------------------- inside

    def _call(self, by: Invocation, tool: str, args: Result, expect: Callable[[Space, Result], Result]) -> None:
        self.turn += 1
        answer = self.ledgers[self.turn % 2].tools(by).call(tool, json.dumps(args) if self.turn % 3 else args)
        try:
            expected = self._expected(by, tool, args, expect)
        except RefusedByModelError as refused:
            expected = {"error": refused.code, "message": answer.get("message")}
        assert _comparable(answer) == expected

    def _expected(
        self, by: Invocation, tool: str, args: Result, expect: Callable[[Space, Result], Result]
    ) -> Result:
        writes = tool in {"kv_set", "kv_increment", "kv_delete", "kv_restore"}
        if not by.flags.issuperset({ACCESS_FLAG, WRITE_FLAG} if writes else {ACCESS_FLAG}):
            raise RefusedByModelError("permission_denied")
        scope = str(args["scope"])
        self.model.check(by, scope, writes=writes)
        if args.get("key") == "":
            raise RefusedByModelError("invalid_argument")
        return expect(self.model.space(by, scope), args)

    def _found(self, space: Space, args: Result) -> Result:
        place = str(args["scope"]), str(args["key"])
        found = place in self.model.live(space)
        return {**args, "found": found} | (self._content(space, place) if found else {})

    def _written(self, becomes: Callable[[Any], Any]) -> Callable[[Space, Result], Result]:
        def written(space: Space, args: Result) -> Result:
            place = str(args["scope"]), str(args["key"])
            self.model.record(space, place, becomes(self.model.live(space).get(place, GONE)))
            return {"ok": True, "scope": args["scope"], "key": args["key"]} | self._content(space, place)

        return written

    def _content(self, space: Space, place: tuple[str, str]) -> Result:
        last = self.model.versions(space, place)[0]
        return {"value": last.value, "revision": last.revision}

    def _entry(self, space: Space, place: tuple[str, str]) -> Result:
        return {"key": place[1]} | self._content(space, place)

    def _stands(self, space: Space) -> dict[tuple[str, str], Any]:
        kind, name = space
        kv = self.ledgers[0].partition(name if kind == "partition" else "s")
        used = {place[0] for place in self.model.live(space)} | {
            "skill" if kind == "partition" else f"root_run:{name}"
        }
        assert kv.usage(scope=f"root_run:{name}" if kind == "tree" else "skill").live_keys == len(
            self.model.live(space)
        )
        return {(scope, entry.key): entry.value for scope in used for entry in kv.scan(scope=scope)}


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _comparable(answer: Result) -> Result:
    """An answer without what the model does not know: who changed what, and when."""
    known = {"revision", "value"}
    versions = answer.get("versions")
    if not isinstance(versions, list):
        return answer
    return answer | {
        "versions": [{name: version[name] for name in known & version.keys()} for version in versions]
    }


def tool_machine(open_ledger: Callable[[], Callable[..., Ledger]]) -> type[ToolMachine]:
    """The machine for an adapter; ``open_ledger()`` makes an empty ledger and returns what opens it.

    Use it as ``TestMachine = tool_machine(…).TestCase``.
    """
    return type("AdapterToolMachine", (ToolMachine,), {"open_ledger": staticmethod(open_ledger)})
