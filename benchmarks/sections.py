"""The sections of the performance page, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks import beside, disk, followers, limit, memory, past, processes, runs, tasks, threads, upkeep
from benchmarks.bench import Bench, Result

SECTIONS: dict[str, Callable[[Bench], Sequence[Result]]] = {
    "limit": limit.run,
    "threads": threads.run,
    "processes": processes.run,
    "delay": threads.run_delayed,
    "tasks": tasks.run,
    "past": past.run,
    "runs": runs.run,
    "followers": followers.run,
    "upkeep": upkeep.run,
    "beside": beside.run,
    "disk": disk.run,
    "memory": memory.run,
}
"""What measures each, by the name that the options and the page's markers use."""
