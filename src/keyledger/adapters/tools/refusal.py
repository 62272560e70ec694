"""What a model reads when a tool call failed: a stable word, and a sentence that it can act on."""

from __future__ import annotations

import logging

from keyledger.adapters.tools.kv import TOOLS
from keyledger.domain.errors import (
    FlagRequiredError,
    ForkIncompleteError,
    KeyledgerError,
    LedgerBusyError,
    LedgerClosedError,
    NewerLedgerError,
    OutcomeUnknownError,
    QuotaExceededError,
    StorageError,
    StorageUnavailableError,
    UnreadableError,
    ValueSerializationError,
    shown,
)
from keyledger.domain.toolset import Result

_log = logging.getLogger("keyledger")


def told(tool: object, error: Exception) -> Result:
    """As :func:`refusal`; what it leaves out goes to the log, where those look who run the ledger."""
    if isinstance(error, StorageError):
        _log.warning("%s: %s: %s", shown(tool), type(error).__name__, error)
    elif not isinstance(error, KeyledgerError):
        _log.error("%s: a bug in keyledger", shown(tool), exc_info=error)
    return refusal(tool, error)


def refusal(tool: object, error: Exception) -> Result:
    """The answer to a call of ``tool`` that raised: ``{"error": CODE, "message": …}``.

    The message begins with the tool's name, unless no such tool exists. Of what is wrong with the storage it says
    nothing that a driver said: no host, user or path. An error that keyledger does not raise on purpose is
    ``internal``, and only its class is told.
    """
    if not isinstance(error, KeyledgerError):
        return {"error": "internal", "message": f"a bug in keyledger: {type(error).__name__}"}
    spec = TOOLS.get(tool) if type(tool) is str else None
    message = _message(error) if spec is None else f"{tool}: {_message(error, reads=not spec.writes)}"
    return {"error": error.code, "message": message}


def _message(error: KeyledgerError, *, reads: bool = False) -> str:
    match error:
        case QuotaExceededError():
            return f"{error.code} — {error.used}/{error.max} {error.unit} used; ask admin for higher quota"
        case ValueSerializationError() if error.field.startswith("value"):
            return f"value is not valid JSON: {error}"
        case FlagRequiredError():
            return f"the flag {error.flag!r} is required, and this call does not have it; ask an admin to grant it"
        case ForkIncompleteError():
            return "what is stored here is a copy that is not finished; try again later, or ask an admin"
        case StorageError():
            sentence = _of_storage(error, reads=reads)
            return sentence if error.during is None else f"{error.during}: {sentence}"
        case _:
            return str(error)


def _of_storage(error: StorageError, *, reads: bool) -> str:
    if reads and isinstance(error, OutcomeUnknownError):
        return "the storage went away; try again"
    return next(sentence for kind, sentence in _OF_STORAGE if isinstance(error, kind))


_OF_STORAGE: tuple[tuple[type[StorageError], str], ...] = (
    (StorageUnavailableError, "the storage cannot be reached; nothing was written, try again later"),
    (
        OutcomeUnknownError,
        "the storage went away: it was written or not; repeat it with the request_id it had, or read first",
    ),
    (LedgerBusyError, "the storage is busy; nothing was written, try again"),
    (LedgerClosedError, "the storage is closed; tell an admin"),
    (NewerLedgerError, "the storage was written by a newer version; tell an admin"),
    (UnreadableError, "what is stored cannot be read; tell an admin"),
    (StorageError, "the storage failed; try again later, or tell an admin"),
)
