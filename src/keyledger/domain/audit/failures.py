"""What could not be recorded: how often, and why, without what it was: that may be secret."""

from __future__ import annotations

from threading import Lock

from keyledger.domain.errors import InvalidArgumentError, KeyledgerError


class Failures:
    """Counts what could not be recorded, over all runs of a ledger.

    ``lock`` is for whatever recorders count: one for all, so that a forked child can let go of it.
    """

    def __init__(self) -> None:
        self.total = 0
        self.reset()

    def reset(self) -> None:
        """Start with a lock that nobody holds, as in a forked child."""
        self.lock = Lock()

    def count(self) -> None:
        """One more."""
        with self.lock:
            self.total += 1


def text_of(error: BaseException) -> str:
    """An exception's text; none where it cannot say it."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is somebody's own __str__
        return ""


def described(error: BaseException) -> str:
    """An exception's class, and its text if it has any."""
    name, text = type(error).__qualname__, text_of(error)
    return f"{name}: {text}" if text else name


def why(error: Exception) -> str:
    """What kept something from being recorded. Of an exception that is not keyledger's only the class is told."""
    if isinstance(error, InvalidArgumentError):
        return f"{error.field}: {error.allowed}"
    return described(error) if isinstance(error, KeyledgerError) else type(error).__qualname__
