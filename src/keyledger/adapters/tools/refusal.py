"""What a model reads when a tool call failed: a stable word, and a sentence that it can act on."""

from __future__ import annotations

from keyledger.adapters.tools.kv import TOOLS, Result
from keyledger.domain.errors import KeyledgerError, NamespaceQuotaExceededError, ValueSerializationError


def refusal(tool: object, error: Exception) -> Result:
    """The answer to a call of ``tool`` that raised: ``{"ok": false, "error": CODE, "message": …}``.

    The message begins with the tool's name, unless no such tool exists. An error that keyledger does not raise on
    purpose is ``internal``, and only its class is told.
    """
    if not isinstance(error, KeyledgerError):
        return {"ok": False, "error": "internal", "message": f"a bug in keyledger: {type(error).__name__}"}
    known = type(tool) is str and tool in TOOLS
    message = f"{tool}: {_message(error)}" if known else str(error)
    return {"ok": False, "error": error.code, "message": message}


def _message(error: KeyledgerError) -> str:
    match error:
        case NamespaceQuotaExceededError():
            return f"quota_exceeded — {error.used}/{error.max} bytes used; ask admin for higher quota"
        case ValueSerializationError():
            return f"value is not valid JSON: {error}"
        case _:
            return str(error)
