"""Time travel, whatever stores it: views, moments, differences, the way back, the search for a change, forks."""

from __future__ import annotations

from keyledger.adapters.conformance.past import PastContract
from keyledger.adapters.conformance.past_moments import MomentContract
from keyledger.adapters.conformance.past_time import PastTimeContract


class TimeTravelContract(PastContract, PastTimeContract, MomentContract):
    """What a ledger tells of its past, and makes of it."""
