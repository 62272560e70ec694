"""Who called whom: children, the chain of parents, the tree."""

from __future__ import annotations

import pytest

from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin, begin_and_end, ids
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import RunNotFoundError
from keyledger.domain.run import MAX_PARENT_CHAIN_DEPTH


class RunTreeContract(Fixtures):
    """What is known of the runs around a run; also where some of it is missing or makes no sense."""

    def test_children_are_the_runs_called_oldest_first(self, runs: Runs) -> None:
        begin(runs, "top", 0)
        begin(runs, "second", 2, parent_run_id="top")
        begin_and_end(runs, "first", 1, "dry_run", parent_run_id="top")
        begin(runs, "grandchild", 3, parent_run_id="first")
        begin(runs, "same tree", 3, root_run_id="top")
        assert ids(runs.children("top")) == ["first", "second"]
        assert ids(runs.children("first")) == ["grandchild"]
        assert runs.children("grandchild") == runs.children("never started") == ()
        assert runs.children("top")[1] == runs.get("second")

    def test_an_empty_parent_has_no_children(self, runs: Runs) -> None:
        begin(runs, "top")
        assert runs.children("") == ()

    def test_the_children_of_an_unknown_parent_are_known(self, runs: Runs) -> None:
        begin(runs, "orphan", parent_run_id="unknown")
        assert ids(runs.children("unknown")) == ["orphan"]

    # ------------------------------------------------------------------------------------- parent_chain

    def test_a_chain_goes_from_the_root_to_the_run(self, runs: Runs) -> None:
        begin(runs, "r-0", 9)
        begin(runs, "r-1", 5, parent_run_id="r-0")
        begin(runs, "r-2", 7, parent_run_id="r-1")
        begin(runs, "r-3", 8, parent_run_id="r-2")
        begin(runs, "aside", 8, parent_run_id="r-1")
        assert ids(runs.parent_chain("r-2")) == ["r-0", "r-1", "r-2"]
        assert runs.parent_chain("r-0") == (runs.get("r-0"),)

    def test_a_chain_begins_where_it_is_known(self, runs: Runs) -> None:
        begin(runs, "r-2", parent_run_id="unknown")
        begin(runs, "r-3", parent_run_id="r-2")
        assert ids(runs.parent_chain("r-3")) == ["r-2", "r-3"]

    @pytest.mark.parametrize("size", [2, 3, 16])
    def test_a_chain_ends_where_it_would_begin_again(self, runs: Runs, size: int) -> None:
        for number in range(size - 1, -1, -1):
            begin(runs, f"r-{number}", parent_run_id=f"r-{(number - 1) % size}")
        assert ids(runs.parent_chain("r-0")) == [f"r-{number}" for number in range(1, size)] + ["r-0"]

    def test_a_chain_has_at_most_32_runs(self, runs: Runs) -> None:
        for number in range(40, -1, -1):
            begin(runs, f"r-{number}", parent_run_id=f"r-{number - 1}" if number else "")
        assert ids(runs.parent_chain("r-40")) == [
            f"r-{number}" for number in range(41 - MAX_PARENT_CHAIN_DEPTH, 41)
        ]
        assert len(runs.parent_chain("r-31")) == 32
        assert len(runs.parent_chain("r-30")) == 31

    # --------------------------------------------------------------------------------------------- tree

    def test_a_tree_is_every_run_of_one_root_oldest_first_seen_from_any(self, runs: Runs) -> None:
        begin(runs, "top", 0)
        begin_and_end(runs, "b", 2, "dry_run", parent_run_id="top")
        begin(runs, "a", 1, parent_run_id="top")
        begin(runs, "below", 3, parent_run_id="a")
        begin(runs, "beside", 4, root_run_id="top")
        begin(runs, "other", 0)
        begin(runs, "below other", 1, parent_run_id="other")
        whole = ["top", "a", "b", "below", "beside"]
        for run_id in whole:
            assert ids(runs.tree(run_id)) == whole
        assert ids(runs.tree("below other")) == ["other", "below other"]
        assert runs.tree("top")[1] == runs.get("a")

    def test_a_tree_is_known_also_where_its_root_is_not(self, runs: Runs) -> None:
        begin(runs, "a", 0, parent_run_id="unknown")
        begin(runs, "b", 1, root_run_id="unknown")
        assert ids(runs.tree("b")) == ["a", "b"]
        with pytest.raises(RunNotFoundError):
            runs.tree("unknown")

    def test_a_tree_that_loops_is_listed_once(self, runs: Runs) -> None:
        begin(runs, "a", 0, parent_run_id="b", root_run_id="b")
        begin(runs, "b", 1, parent_run_id="a", root_run_id="b")
        assert ids(runs.tree("a")) == ["a", "b"]

    def test_a_tree_has_no_limit_of_its_own(self, runs: Runs) -> None:
        begin(runs, "top", 0)
        for number in range(60):
            begin(runs, f"r-{number:02}", 1 + number, parent_run_id="top")
        assert len(runs.tree("top")) == 61
        assert len(runs.children("top")) == 60
