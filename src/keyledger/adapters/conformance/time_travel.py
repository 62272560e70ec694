"""Time travel, whatever stores it: views, moments, differences, the way back, the search for a change, forks."""

from __future__ import annotations

from keyledger.adapters.conformance.bisecting import BisectContract
from keyledger.adapters.conformance.differences import DifferenceContract
from keyledger.adapters.conformance.forking import ForkContract
from keyledger.adapters.conformance.past import PastContract
from keyledger.adapters.conformance.past_moments import MomentContract
from keyledger.adapters.conformance.past_time import PastTimeContract
from keyledger.adapters.conformance.restoring import RestoreContract
from keyledger.adapters.conformance.restoring_all import RestoreAllContract
from keyledger.adapters.conformance.restoring_races import RestoreRaceContract
from keyledger.adapters.conformance.unfinished_forks import UnfinishedForkContract


class TimeTravelContract(
    PastContract,
    PastTimeContract,
    MomentContract,
    DifferenceContract,
    RestoreContract,
    RestoreAllContract,
    BisectContract,
    ForkContract,
    UnfinishedForkContract,
    RestoreRaceContract,
):
    """What a ledger tells of its past, and makes of it."""
