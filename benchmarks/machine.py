"""What a table of times must say about the machine it was measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from time import perf_counter

_SYNCS = 200


def facts() -> str:
    """The machine's facts, in one line."""
    return "; ".join(
        (
            f"{_cpu()}, {os.cpu_count()} cores",
            f"{platform.system()} {platform.release()}",
            f"{_sync_microseconds():.0f} µs to append 4 KiB and fdatasync, in the temporary directory",
            f"Python {platform.python_version()}, psycopg {version('psycopg')}, orjson {version('orjson')}",
        )
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _sync_microseconds() -> float:
    sync = getattr(os, "fdatasync", os.fsync)
    times = []
    with TemporaryFile() as file:
        for _ in range(_SYNCS):
            start = perf_counter()
            os.write(file.fileno(), bytes(4096))
            sync(file.fileno())
            times.append(perf_counter() - start)
    return median(times) * 1e6
