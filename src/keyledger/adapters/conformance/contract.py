"""What every ledger does, whatever stores it: the contract, one class of tests for each concern."""

from __future__ import annotations

from keyledger.adapters.conformance.concurrency import ConcurrencyContract
from keyledger.adapters.conformance.dry_runs import DryRunContract
from keyledger.adapters.conformance.exporting import ExportContract
from keyledger.adapters.conformance.history_filters import HistoryFilterContract
from keyledger.adapters.conformance.housekeeping import HousekeepingContract
from keyledger.adapters.conformance.importing import ImportContract
from keyledger.adapters.conformance.keys import KeyContract
from keyledger.adapters.conformance.lineage import LineageContract
from keyledger.adapters.conformance.quotas import QuotaContract
from keyledger.adapters.conformance.races import RaceContract
from keyledger.adapters.conformance.replaying import ReplayContract
from keyledger.adapters.conformance.requests import RequestContract
from keyledger.adapters.conformance.run_arguments import RunArgumentContract
from keyledger.adapters.conformance.run_listing import RunListingContract
from keyledger.adapters.conformance.run_logs import RunLogContract
from keyledger.adapters.conformance.run_purging import RunPurgingContract
from keyledger.adapters.conformance.run_races import RunRaceContract
from keyledger.adapters.conformance.run_tailing import TailContract
from keyledger.adapters.conformance.run_trees import RunTreeContract
from keyledger.adapters.conformance.run_writes import RunWriteContract
from keyledger.adapters.conformance.runs import RunContract
from keyledger.adapters.conformance.skill_grants import SkillGrantContract
from keyledger.adapters.conformance.skill_races import SkillRaceContract
from keyledger.adapters.conformance.skills import SkillContract
from keyledger.adapters.conformance.sweeping import SweepingContract
from keyledger.adapters.conformance.time import TimeContract
from keyledger.adapters.conformance.time_travel import TimeTravelContract
from keyledger.adapters.conformance.tools import ToolContract
from keyledger.adapters.conformance.watching import WatchContract


class LedgerContract(
    KeyContract,
    HistoryFilterContract,
    TimeContract,
    QuotaContract,
    RequestContract,
    HousekeepingContract,
    ImportContract,
    ExportContract,
    ConcurrencyContract,
    RaceContract,
    RunContract,
    RunLogContract,
    RunListingContract,
    RunTreeContract,
    RunPurgingContract,
    RunWriteContract,
    TailContract,
    RunArgumentContract,
    RunRaceContract,
    SkillContract,
    SkillGrantContract,
    SkillRaceContract,
    SweepingContract,
    LineageContract,
    ReplayContract,
    DryRunContract,
    ToolContract,
    TimeTravelContract,
    WatchContract,
):
    """All of it. Give it a fixture ``reopen``, and an adapter's test file is six lines."""
