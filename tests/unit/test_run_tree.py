"""The shape of a dispatch tree, whatever the runs say of each other."""

from __future__ import annotations

from keyledger import Run
from keyledger.adapters.cli.run_tree import branches
from keyledger.adapters.conformance.clock import START


def run(run_id: str, parent: str = "", root: str = "r-0") -> Run:
    return Run(run_id, "weather", "", "", {}, START, parent, root)


def shape(*runs: Run) -> list[tuple[str, int, str]]:
    return [(branch.run.id, branch.depth, branch.under) for branch in branches(runs)]


def test_each_run_comes_after_its_caller_and_siblings_keep_their_order() -> None:
    tree = shape(run("r-0"), run("r-2", "r-0"), run("r-1", "r-0"), run("r-3", "r-2"))
    assert tree == [("r-0", 0, ""), ("r-2", 1, "r-0"), ("r-3", 2, "r-2"), ("r-1", 1, "r-0")]


def test_a_run_may_come_before_its_caller() -> None:
    assert shape(run("r-2", "r-1"), run("r-1", "r-0"), run("r-0")) == [
        ("r-0", 0, ""),
        ("r-1", 1, "r-0"),
        ("r-2", 2, "r-1"),
    ]


def test_a_run_whose_caller_is_not_known_hangs_under_the_root() -> None:
    assert shape(run("r-0"), run("r-2", "lost"), run("r-3", "r-2")) == [
        ("r-0", 0, ""),
        ("r-2", 1, "r-0"),
        ("r-3", 2, "r-2"),
    ]


def test_runs_of_a_root_that_was_never_started_hang_under_its_id() -> None:
    assert shape(run("r-1", "r-0"), run("r-2")) == [("r-1", 1, "r-0"), ("r-2", 1, "r-0")]


def test_circles_end_and_hang_under_the_root() -> None:
    assert shape(run("r-0", "r-2"), run("r-1", "r-2"), run("r-2", "r-1"), run("r-3", "r-3")) == [
        ("r-0", 0, ""),
        ("r-1", 1, "r-0"),
        ("r-2", 2, "r-1"),
        ("r-3", 1, "r-0"),
    ]


def test_a_long_chain_needs_no_recursion() -> None:
    chain = [run("r-0"), *(run(f"r-{number}", f"r-{number - 1}") for number in range(1, 5_000))]
    assert shape(*reversed(chain))[-1] == ("r-4999", 4_999, "r-4998")
