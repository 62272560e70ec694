"""Which scopes a tool call may use: the one place that says so."""

from __future__ import annotations

from collections.abc import Callable, Collection

from keyledger.adapters.tools.invocation import Invocation
from keyledger.domain.errors import ScopeAccessError
from keyledger.domain.scope import check_scope


def check_access(
    invocation: Invocation, scope: str, ancestors: Callable[[], Collection[str]] | None = None
) -> None:
    """Raise unless the invocation may use ``scope``.

    ``skill`` is open to every call, ``user:`` to the caller's own id and to admins, ``run:`` to that very
    run, ``root_run:`` to the runs of that dispatch tree. Where ``ancestors`` says which runs led to the call's,
    because the call only reads, their ``run:`` scopes are open too.

    Raises:
        InvalidArgumentError: the scope does not follow the grammar.
        ScopeAccessError: it is somebody else's.
    """
    check_scope(scope)
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
