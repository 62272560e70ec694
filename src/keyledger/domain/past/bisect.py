"""The revision at which something turned true, found by halving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keyledger.domain.errors import InvalidArgumentError, PredicateError, StorageError


def first_true(
    state_at: Callable[[int], Any], predicate: Callable[[Any], object], low: int, high: int
) -> int | None:
    """The first revision after ``low`` at which ``predicate`` holds of the state, if it turned true only once.

    None if it does not hold at ``high``. It is asked about log2(high - low) times.

    Raises:
        InvalidArgumentError: it holds at ``low``, so it turned true before.
        PredicateError: it raised.
    """

    def holds(revision: int) -> bool:
        state = state_at(revision)
        try:
            return bool(predicate(state))
        except StorageError:
            raise
        except Exception as error:
            raise PredicateError(revision, error) from error

    if holds(low):
        raise InvalidArgumentError(
            "predicate", f"true at revision {low}", "one that is false there" + ("; begin earlier" if low else "")
        )
    if high <= low or not holds(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
