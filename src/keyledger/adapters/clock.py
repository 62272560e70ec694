"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Reads the time of the machine, in UTC."""

    def now(self) -> datetime:
        """The current time, aware, in UTC, to the microsecond."""
        return datetime.now(UTC)
