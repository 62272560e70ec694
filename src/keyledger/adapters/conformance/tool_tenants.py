"""Who calls tools, and for whose keys: many tenants whose ids are easily taken for each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from hypothesis import strategies as st

from keyledger.domain.invocation import Invocation
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG

ScopeMaker: TypeAlias = Callable[[Invocation], str]
"""Makes the scope that an invocation asks for."""

ALIKE = "\N{CYRILLIC SMALL LETTER A}"
COMPOSED, DECOMPOSED = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"
SKILLS = ["s", "s:", "S", "s/../t", "partition:s", COMPOSED, DECOMPOSED]
CALLERS = ["a", "a:b", "a ", "A", ALIKE, "skill", "%"]
RUNS = ["r", "r:1", "r:", "R", "run:r", "r\N{ZERO WIDTH SPACE}"]
PARENTS: dict[str, str | None] = {"r": None, "r:1": "r", "r:": "r:1", "R": None}
"""The runs that are audited, each with the one above it; the others are not."""

_IDS = [*CALLERS, *RUNS, *SKILLS, "", "__root_run__", "__root_run__:r", "r\0", "x" * 257]
_TRICKS: Sequence[Callable[[str], str]] = (
    str.swapcase,
    str.strip,
    "{}:".format,
    "{} ".format,
    "{}:1".format,
    "{}\0".format,
    "{}\N{ZERO WIDTH SPACE}".format,
    "__root_run__:{}".format,
    lambda name: name.replace("a", ALIKE),
    lambda name: name[:-1],
    lambda name: name.partition(":")[0],
)
"""What makes an id into another that looks like it."""

_FLAGS = [[ACCESS_FLAG, WRITE_FLAG]] * 8 + [[ACCESS_FLAG], [WRITE_FLAG], []]


def tenants() -> st.SearchStrategy[Invocation]:
    """Invocations of several skills, callers, runs and dispatch trees, some of admins, some without flags."""
    run = st.none() | st.sampled_from(RUNS)
    return st.builds(
        Invocation,
        skill_id=st.sampled_from([*SKILLS[:2] * 3, *SKILLS]),
        caller_id=st.sampled_from(CALLERS),
        run_id=run,
        root_run_id=st.none() | run,
        parent_run_id=st.none() | run,
        is_admin=st.sampled_from([False, False, False, True]),
        flags=st.sampled_from(_FLAGS),
    )


def scopes() -> st.SearchStrategy[ScopeMaker]:
    """The invocation's own scopes, those of the runs above it, what looks like its own, and any at all."""
    kind = st.sampled_from(["user", "run", "root_run"])
    return st.one_of(
        st.just(lambda _: "skill"),
        st.builds(_own, kind),
        st.builds(_own, kind),
        st.just(_above),
        st.builds(_alike, kind, st.sampled_from(_TRICKS)),
        st.builds(_spelled, kind, st.just(":"), st.sampled_from(_IDS)),
        st.builds(
            _spelled,
            kind | st.sampled_from(["skill", "", "User", " run", "run:run"]),
            st.sampled_from([":", "", "::", "/", "\N{FULLWIDTH COLON}"]),
            st.sampled_from(_IDS),
        ),
    )


def _own_id(by: Invocation, kind: str) -> str:
    return {"user": by.caller_id, "run": by.run_id, "root_run": by.tree}[kind] or "r"


def _own(kind: str) -> ScopeMaker:
    return lambda by: f"{kind}:{_own_id(by, kind)}"


def _above(by: Invocation) -> str:
    return f"run:{PARENTS.get(by.run_id or '') or by.parent_run_id or 'r'}"


def _alike(kind: str, trick: Callable[[str], str]) -> ScopeMaker:
    return lambda by: f"{kind}:{trick(_own_id(by, kind))}"


def _spelled(kind: str, between: str, name: str) -> ScopeMaker:
    return lambda _: f"{kind}{between}{name}"
