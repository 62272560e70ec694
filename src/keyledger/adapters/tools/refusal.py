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
)
from keyledger.domain.toolset import Result

_log = logging.getLogger("keyledger")


def told(tool: object, error: Exception) -> Result:
    """As :func:`refusal`; what it leaves out goes to the log, where those look who run the ledger."""
    if isinstance(error, StorageError):
        _log.warning("%s: %s: %s", tool, type(error).__name__, error)
    elif not isinstance(error, KeyledgerError):
        _log.error("%s: a bug in keyledger", tool, exc_info=error)
    return refusal(tool, error)


def refusal(tool: object, error: Exception) -> Result:
    """The answer to a call of ``tool`` that raised: ``{"error": CODE, "message": …}``.

    The message begins with the tool's name, unless no such tool exists. Of what is wrong with the storage it says
    nothing that a driver said: no host, user or path. An error that keyledger does not raise on purpose is
    ``internal``, and only its class is told.
    """
    if not isinstance(error, KeyledgerError):
        return {"error": "internal", "message": f"a bug in keyledger: {type(error).__name__}"}
    known = type(tool) is str and tool in TOOLS
    message = f"{tool}: {_message(error)}" if known else _message(error)
    return {"error": error.code, "message": message}


def _message(error: KeyledgerError) -> str:
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
            sentence = next(sentence for kind, sentence in _OF_STORAGE if isinstance(error, kind))
            return sentence if error.during is None else f"{error.during}: {sentence}"
        case _:
            return str(error)


_OF_STORAGE: tuple[tuple[type[StorageError], str], ...] = (
    (StorageUnavailableError, "the storage cannot be reached; nothing was written, try again later"),
    (
        OutcomeUnknownError,
        "the storage went away: it was written or not; repeat it with its request_id, or read first",
    ),
    (LedgerBusyError, "the storage is busy; nothing was written, try again"),
    (LedgerClosedError, "the storage is closed; tell an admin"),
    (NewerLedgerError, "the storage was written by a newer version; tell an admin"),
    (UnreadableError, "what is stored cannot be read; tell an admin"),
    (StorageError, "the storage failed; try again later, or tell an admin"),
)
