"""What a host adds to the rules for skills, and by whom and how generously a skill is judged."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from sys import float_info
from typing import NamedTuple

from keyledger.domain.arguments import check_integer
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.scope import MAX_ID_BYTES, check_text

MIN_INTERVAL_MINUTES = 30

DEFAULT_MAX_ITERATIONS = 12
DEFAULT_MAX_TOOL_CALLS = 30
DEFAULT_MAX_RUNTIME = 60

EXTENDED_MAX_ITERATIONS = 50
EXTENDED_MAX_TOOL_CALLS = 150
EXTENDED_MAX_RUNTIME = 600


TIERS = DEFAULT_TIER, EXTENDED_TIER = "default", "extended"


def tier_of(*, trusted: bool, extended_bounds: bool) -> str:
    """``extended`` where an admin granted it, and for what an admin or the host itself wrote; else ``default``."""
    return EXTENDED_TIER if trusted or extended_bounds else DEFAULT_TIER


class Caps(NamedTuple):
    """The most that a skill of one tier may ask for; ``max_runtime`` in seconds."""

    max_iterations: int
    max_tool_calls: int
    max_runtime: int | float


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """How a skill is judged. Everything may be left out; a number of 0 stands for its default.

    ``author_is_admin`` and ``is_builtin`` let a skill pass the ceilings and caps of its budgets;
    ``extended_bounds`` is what an admin granted to it. ``model_tiers``, ``output_kinds``, ``input_types`` and
    ``visibilities`` are words beside keyledger's own. ``is_model_tier`` decides alone, where it is given, what a
    model tier is. ``channel_filters`` are those that are registered; with None they are not checked. The numbers
    are the smallest gap of schedules in minutes, and the caps of the two tiers, ``…_max_runtime`` in seconds.

    Raises:
        InvalidArgumentError: an option is not of its form; the error names it.
    """

    author_is_admin: bool = False
    is_builtin: bool = False
    extended_bounds: bool = False
    model_tiers: tuple[str, ...] = ()
    output_kinds: tuple[str, ...] = ()
    input_types: tuple[str, ...] = ()
    visibilities: tuple[str, ...] = ()
    is_model_tier: Callable[[str], bool] | None = None
    channel_filters: Container[str] | None = None
    min_interval_minutes: int = 0
    default_max_iterations: int = 0
    default_max_tool_calls: int = 0
    default_max_runtime: int | float = 0
    extended_max_iterations: int = 0
    extended_max_tool_calls: int = 0
    extended_max_runtime: int | float = 0

    def __post_init__(self) -> None:
        for field in ("author_is_admin", "is_builtin", "extended_bounds"):
            _check_bool(field, getattr(self, field))
        for field in ("model_tiers", "output_kinds", "input_types", "visibilities"):
            object.__setattr__(self, field, _words(field, getattr(self, field)))
        if self.is_model_tier is not None and not callable(self.is_model_tier):
            raise InvalidArgumentError("is_model_tier", self.is_model_tier, "a function, or None")
        if not _is_registry(self.channel_filters):
            raise InvalidArgumentError("channel_filters", self.channel_filters, "the names registered, or None")
        for field in ("min_interval_minutes", *_numbers("iterations"), *_numbers("tool_calls")):
            check_integer(field, getattr(self, field), 0)
        for field in _numbers("runtime"):
            _check_seconds(field, getattr(self, field))

    @property
    def is_trusted(self) -> bool:
        """Whether ceilings and caps do not hold: for admins, and for what ships with a host."""
        return self.author_is_admin or self.is_builtin

    @property
    def tier(self) -> str:
        """Whose caps hold: those of the ``default`` tier or of the ``extended`` one."""
        return tier_of(trusted=self.is_trusted, extended_bounds=self.extended_bounds)

    @property
    def min_interval(self) -> int:
        """How many minutes must lie between two fires of a schedule."""
        return self.min_interval_minutes or MIN_INTERVAL_MINUTES

    @property
    def caps(self) -> Caps:
        """The caps of the tier."""
        if self.tier == EXTENDED_TIER:
            return self.extended_caps
        return Caps(
            self.default_max_iterations or DEFAULT_MAX_ITERATIONS,
            self.default_max_tool_calls or DEFAULT_MAX_TOOL_CALLS,
            self.default_max_runtime or DEFAULT_MAX_RUNTIME,
        )

    @property
    def extended_caps(self) -> Caps:
        """The caps of the extended tier."""
        return Caps(
            self.extended_max_iterations or EXTENDED_MAX_ITERATIONS,
            self.extended_max_tool_calls or EXTENDED_MAX_TOOL_CALLS,
            self.extended_max_runtime or EXTENDED_MAX_RUNTIME,
        )


def _numbers(what: str) -> tuple[str, str]:
    return f"default_max_{what}", f"extended_max_{what}"


def _check_bool(field: str, value: object) -> None:
    if type(value) is not bool:
        raise InvalidArgumentError(field, value, "True or False")


def _check_seconds(field: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= float_info.max:
        raise InvalidArgumentError(field, value, "a finite number of seconds, at least 0")


def _words(field: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(word, str) and word.strip() for word in given):
        raise InvalidArgumentError(field, given, "a list or tuple of words that are not blank")
    for index, word in enumerate(given):
        check_text(f"{field}[{index}]", word, MAX_ID_BYTES)
    return tuple(given)


def _is_registry(given: object) -> bool:
    """Whether it can be asked for a name; a text could, too, but would know each of its parts."""
    return given is None or (isinstance(given, Container) and not isinstance(given, str))
