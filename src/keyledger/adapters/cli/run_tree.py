"""The shape of a dispatch tree, whatever the runs say of each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from keyledger.domain.audit.records import Run


class Branch(NamedTuple):
    """A run in its tree: ``depth`` below the root, and the id that it hangs under, empty for the root."""

    run: Run
    depth: int
    under: str


def branches(runs: Sequence[Run]) -> list[Branch]:
    """The runs of one tree, each after the one that it hangs under; siblings in the order given.

    A run whose parent is not among them hangs under the root, and so does one of each circle.
    """
    root_id, known = runs[0].root_run_id, {run.id for run in runs}
    called = defaultdict[str, list[Run]](list)
    for run in runs:
        if run.id != root_id:
            called[run.parent_run_id if run.parent_run_id in known else root_id].append(run)
    found: dict[str, Branch] = {}
    roots = [Branch(run, 0, "") for run in runs if run.id == root_id]
    for start in (*roots, *(Branch(run, 1, root_id) for run in (*called[root_id], *runs))):
        ahead = [start]
        while ahead:
            branch = ahead.pop()
            run_id = branch.run.id
            if run_id not in found:
                found[run_id] = branch
                ahead += [Branch(run, branch.depth + 1, run_id) for run in reversed(called[run_id])]
    return list(found.values())
