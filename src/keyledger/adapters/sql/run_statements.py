"""The SQL of the audit of runs, under the same names on every engine: a field for each file in ``sql/runs/``."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunStatements:
    """The texts of the statements, by name."""

    close_run: str
    count_run_events: str
    count_run_writes: str
    count_runs: str
    insert_run: str
    insert_run_read: str
    list_changed_runs: str
    list_child_runs: str
    list_ended_runs: str
    list_finished_runs: str
    list_last_starts: str
    list_old_runs: str
    list_purges: str
    list_readers: str
    list_run_reads: str
    list_run_scopes: str
    list_run_statuses: str
    list_run_streams: str
    list_run_writes: str
    list_runs: str
    list_tree_runs: str
    list_unfinished_trees: str
    load_run: str
    purge_run_events: str
    put_run_head: str
    read_events_of_runs: str
    read_reads_of_runs: str
    read_run: str
    read_run_heads: str
    read_run_logs: str
    read_runs: str
    remove_run: str
    remove_run_head: str
    remove_run_reads: str


def conditions(names: AbstractSet[str]) -> frozenset[str]:
    """The lines to keep for a filter's names: one that leaves few rows leads, the rest come too."""
    given = set(names)
    lead = given & {"caller_id", "skill_id", "channel_id"}
    if lead and "status" in given:
        given.symmetric_difference_update({"status", "status_too"})
    if (lead or "status" in given) and "top_level" in given:
        given.symmetric_difference_update({"top_level", "top_level_too"})
    return frozenset(given)
