"""Whose a model's request id is: every run counts from 1, and none may meet another's result."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import quote

from keyledger.domain.invocation import Invocation
from keyledger.domain.scope import MAX_ID_BYTES


def owned(request_id: str, invocation: Invocation) -> str:
    """The request id in the ledger of what the invocation's model calls ``request_id``.

    It belongs to the skill and the run, without a run to the skill and the caller: no two of them have one in
    common, also not in the keys of a dispatch tree. It reads ``run:weather:r-17:send-1`` or
    ``caller:weather:ada:send-1``, or is the digest of that where that is too long.
    """
    kind, of = ("caller", invocation.caller_id) if invocation.run_id is None else ("run", invocation.run_id)
    name = f"{kind}:{_quoted(invocation.skill_id)}:{_quoted(of)}:{request_id}"
    encoded = name.encode()
    return name if len(encoded) <= MAX_ID_BYTES else f"sha256:{sha256(encoded).hexdigest()}"


def _quoted(identity: str) -> str:
    """An id without a colon."""
    return quote(identity, safe="@+ ")
