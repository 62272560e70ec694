"""What a tool call may do: the flags that its persona grants, and the scopes that its invocation may use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keyledger.domain.errors import FlagRequiredError, InvalidArgumentError, ScopeAccessError
from keyledger.domain.scope import check_scope

if TYPE_CHECKING:
    from keyledger.domain.invocation import Invocation

ACCESS_FLAG = "type.system.kv_store_access"
"""What a persona must grant so that its runs may use the tools."""

WRITE_FLAG = "type.system.kv_store_write"
"""What it must grant beside so that they may change anything."""

_TRUE = frozenset({"y", "yes", "true", "on"})
_MOST_PARTS = 20


@dataclass(frozen=True, slots=True)
class Permission:
    """What a tool declares of itself, for hosts that decide who may give it to a skill.

    ``authoring_requirement`` says who may write a skill that uses it, ``operates_on`` whose data it touches,
    ``safe_for_share`` whether a shared skill may use it; ``categories`` are what tools are grouped by.
    """

    authoring_requirement: str
    operates_on: str
    safe_for_share: bool
    categories: tuple[str, ...]

    @property
    def writes(self) -> bool:
        """Whether the tool may change anything."""
        return "write" in self.categories


def granted_flags(field: str, flags: object) -> frozenset[str]:
    """The names of the flags that are granted.

    ``flags`` is a collection of such names, or a persona's mapping: a flag's name is its path, with dots between
    the names, some of which may be one key. Granted is what says ``true``, or as text y, yes, true or on in
    whatever case; all else denies, also beside another mention that grants.

    Raises:
        InvalidArgumentError: it is neither, or holds a name that is no text, or more than 20 levels.
    """
    if isinstance(flags, Mapping):
        said = list(_flattened(field, flags, ()))
        denied = {name for name, grants in said if not grants}
        return frozenset(name for name, _ in said) - denied
    if isinstance(flags, list | tuple | set | frozenset) and all(type(flag) is str for flag in flags):
        return frozenset(flags)
    raise InvalidArgumentError(
        field, flags, "a list of strings, or an object of flags and whether they are granted"
    )


def _flattened(field: str, flags: Mapping[Any, Any], above: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    if len(above) == _MOST_PARTS:
        raise InvalidArgumentError(field, ".".join(above), f"an object of at most {_MOST_PARTS} levels")
    for name, said in flags.items():
        if type(name) is not str:
            raise InvalidArgumentError(field, name, "names of flags that are text")
        path = (*above, name)
        if isinstance(said, Mapping):
            yield from _flattened(field, said, path)
        else:
            yield ".".join(path), said is True or (isinstance(said, str) and said.lower() in _TRUE)


def check_flags(tool: str, required: Collection[str], granted: Collection[str]) -> None:
    """Raise FlagRequiredError, naming the first that is missing, unless each required flag is granted."""
    for flag in required:
        if flag not in granted:
            raise FlagRequiredError(tool, flag)


def check_access(
    invocation: Invocation, scope: str, ancestors: Callable[[], Collection[str]] | None = None
) -> None:
    """Raise unless the invocation may use ``scope``.

    ``skill`` is open to every call, ``user:`` to the caller's own id and to admins, ``run:`` to that very
    run, ``root_run:`` to the runs of that dispatch tree. Where ``ancestors`` says which runs led to the call's,
    because the call only reads, their ``run:`` scopes are open too.

    Raises:
        InvalidArgumentError: the scope does not follow the grammar; it names those that may be used.
        ScopeAccessError: it is somebody else's.
    """
    try:
        check_scope(scope)
    except InvalidArgumentError as error:
        own = ", ".join(map(repr, invocation.scopes))
        raise InvalidArgumentError("scope", scope, f"{error.allowed}; those of this call are {own}") from None
    kind, _, identity = scope.partition(":")
    match kind:
        case "user":
            if identity != invocation.caller_id and not invocation.is_admin:
                raise ScopeAccessError(scope, f"the caller is {invocation.caller_id!r}")
        case "run" if ancestors is None or identity == invocation.run_id or identity not in ancestors():
            _check_own(scope, identity, "run", invocation.run_id)
        case "root_run":
            _check_own(scope, identity, "dispatch tree", invocation.tree)
        case _:
            return


def _check_own(scope: str, identity: str, what: str, own: str | None) -> None:
    if own is None:
        raise ScopeAccessError(scope, f"the call belongs to no {what}")
    if identity != own:
        raise ScopeAccessError(scope, f"the call's {what} is {own!r}")
