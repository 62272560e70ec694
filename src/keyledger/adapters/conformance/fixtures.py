"""The fixtures that the contract's tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.domain.audit.runs import Runs
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.skills.skills import Skills


class Fixtures:
    """A ledger with a clock that stands still, a partition of it, its runs and its skills."""

    @pytest.fixture
    def reopen(self) -> Callable[..., Ledger]:
        """A function that opens the same ledger at each call; it passes options on to ``keyledger.open``."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The ledger's clock."""
        return ManualClock()

    @pytest.fixture
    def ledger(self, reopen: Callable[..., Ledger], clock: ManualClock) -> Iterator[Ledger]:
        """A ledger with the default limits."""
        with reopen(clock=clock) as ledger:
            yield ledger

    @pytest.fixture
    def kv(self, ledger: Ledger) -> Partition:
        """A partition that nobody has used, held by ada in run r-1."""
        return ledger.partition("weather", actor="ada", run_id="r-1", root_run_id="r-0", tool="kv_set")

    @pytest.fixture
    def runs(self, ledger: Ledger) -> Runs:
        """The ledger's audit of runs."""
        return ledger.runs

    @pytest.fixture
    def skills(self, ledger: Ledger) -> Skills:
        """The ledger's skills."""
        return ledger.skills
