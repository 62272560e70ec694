"""Measuring: alternating rounds on all sides, so that each meets the same machine."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, how long each side takes in each, and whether all of it is but a smoke test."""

    rounds: int
    seconds: float
    quick: bool = False


FULL = Effort(rounds=15, seconds=0.12)
QUICK = Effort(rounds=3, seconds=0.02, quick=True)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sides measured, round by round: seconds for a call."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """By round: 1 is as fast as the other side, 0.5 takes twice as long."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return median(self.ratios)


def alternate(rounds: int, *sides: Callable[[], float]) -> list[tuple[float, ...]]:
    """What each side returned, side by side in the order given; one round of all before the next of any."""
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, numbers in zip(sides, found, strict=True):
            gc.collect()
            numbers.append(side())
    return [tuple(numbers) for numbers in found]


def compare(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> Comparison:
    """Two sides that return the seconds that a call took."""
    return Comparison(*alternate(rounds, ours, theirs))
