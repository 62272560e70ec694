"""The runs of the demo's session, as the host that recorded it audits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from keyledger.adapters.cli.demo_story import Call
from keyledger.domain.audit.records import RunInfo, RunStats
from keyledger.domain.ledger import Ledger


class Asked(NamedTuple):
    """What a run was asked, and the tokens that it took."""

    question: str
    input_tokens: int
    output_tokens: int


ASKED = {
    "r-100": Asked("forecasts for Oslo and Rome", 900, 120),
    "r-200": Asked("a weekend away, two nights, 600 EUR", 4_200, 610),
    "r-201": Asked("what is the weather in Oslo and Rome?", 1_300, 90),
    "r-202": Asked("what are the fares to Oslo and Rome?", 2_750, 140),
    "r-310": Asked("where does Ada like to sit?", 1_100, 60),
    "r-101": Asked("forecasts again", 900, 80),
    "r-102": Asked("it is 14 degrees and showers", 0, 0),
    "r-210": Asked("an umbrella for Rome", 1_500, 130),
    "r-211": Asked("a hotel in Rome", 1_900, 110),
    "r-300": Asked("invoices 1001 and 1002", 3_100, 450),
}


class SessionRuns:
    """Starts each run at its first call, and finishes it after its last."""

    def __init__(self, ledger: Ledger, run_ids: Iterable[str]) -> None:
        self._runs, self._left, self._made = ledger.runs, Counter(run_ids), Counter[str]()

    def before(self, invocation: dict[str, Any]) -> None:
        """Start a run that makes its first call."""
        run_id, root_run_id = invocation["run_id"], invocation.get("root_run_id", "")
        if not self._made[run_id]:
            parent = "" if root_run_id == run_id else root_run_id
            inputs = {"question": ASKED[run_id].question}
            info = RunInfo(run_id, invocation["skill_id"], invocation["caller_id"], "demo", inputs, parent)
            self._runs.start(info)

    def after(self, call: Call) -> None:
        """Finish a run that has made its last call: in error if that was refused."""
        run_id, answer = call.invocation["run_id"], call.answer
        self._made[run_id] += 1
        if self._made[run_id] == self._left[run_id]:
            _, tokens_in, tokens_out = ASKED[run_id]
            status, error = ("ok", "") if answer["ok"] else ("error", answer["message"])
            started_at = self._runs.get(run_id).started_at
            seconds = (call.time - started_at).total_seconds()
            stats = RunStats(status, "", error, self._made[run_id], seconds, tokens_in, tokens_out)
            self._runs.finish(run_id, stats)
