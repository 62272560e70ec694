"""What is refused before any tool is called; the run's log shows it all the same."""

from __future__ import annotations

from keyledger.adapters.tools.refusal import told
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.toolset import Result


def refused(ledger: Ledger, invocation: Invocation, what: str, sent: object, error: Exception) -> Result:
    """``{"error": CODE, "message": …}``, logged as a refused call of ``what`` where the run was started."""
    result, run_id, log = told(what, error), invocation.run_id, ledger.runs.tool_log
    if run_id is not None and not invocation.dry_run and log.is_kept(run_id):
        log.end_call(run_id, log.begin_call(run_id, what, sent), {"ok": False, **result})
    return result
