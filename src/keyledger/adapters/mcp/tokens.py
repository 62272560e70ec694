"""Bearer tokens: which invocation each stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final

import yaml
from mcp.server import ServerRequestContext
from mcp.server.auth.provider import AccessToken

from keyledger.adapters.strict_yaml import StrictLoader
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.invocation import Invocation

OPTION: Final = "--tokens"
_FORM: Final = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")
_WORD: Final = re.compile(r"[A-Za-z_]{1,15}")
_ALLOWED: Final = "16 or more letters, digits or -._~+/ in quotes"
_FILE: Final = "a YAML or JSON file of tokens, each with the fields of its invocation"


class Granted(AccessToken):
    """What a known token stands for; the token itself is not kept."""

    invocation: Invocation


def bearer(context: ServerRequestContext[Any, Any]) -> Invocation:
    """The invocation of the token that a request bears."""
    request: Any = context.request
    granted: Granted = request.user.access_token
    return granted.invocation


class Tokens:
    """The tokens that are known, as digests. Safe to share."""

    def __init__(self, invocations: Mapping[str, Invocation]) -> None:
        self._granted = [
            (_digest(token), Granted(token="", client_id=str(number), scopes=[], invocation=invocation))
            for number, (token, invocation) in enumerate(invocations.items(), 1)
        ]

    async def verify_token(self, token: str) -> AccessToken | None:
        """What a token stands for, None if it is unknown; it takes as long for any token."""
        digest, found = _digest(token), None
        for known, granted in self._granted:
            if compare_digest(digest, known):
                found = granted
        return found


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def read_tokens(file: Path) -> Tokens:
    """The tokens of a file. No token is part of an error: it says which of the file it is, from 1.

    Raises:
        InvalidArgumentError: the file cannot be read or is not of its form.
    """
    try:
        found = yaml.load(file.read_bytes(), StrictLoader)  # noqa: S506 - a safe one
    except OSError as error:
        raise _wrong(file, f"a file that can be read ({error.strerror})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _wrong(file, f"{_FILE}; see line {line}") from None  # what is wrong there might quote a token
    except (yaml.YAMLError, RecursionError):
        raise _wrong(file, _FILE) from None
    if not isinstance(found, dict) or not found:
        raise _wrong(file, _FILE)
    return Tokens({_token(token, n): _invocation(fields, n) for n, (token, fields) in enumerate(found.items(), 1)})


def _wrong(file: Path, allowed: str) -> InvalidArgumentError:
    return InvalidArgumentError(OPTION, str(file), allowed)


def _token(token: object, number: int) -> str:
    if not isinstance(token, str) or not _FORM.fullmatch(token):
        raise InvalidArgumentError(f"{OPTION}: token {number}", "(not shown)", _ALLOWED)
    return token


def _unless_a_token(got: object) -> object:
    """What may be shown of a file: nothing that is long enough to be a token, or a part of one."""
    return got if isinstance(got, str) and _WORD.fullmatch(got) else "(not shown)"


def _invocation(fields: object, number: int) -> Invocation:
    known = Invocation.model_fields.keys()
    if not isinstance(fields, dict) or not known >= fields.keys():
        got = next((name for name in fields if name not in known), None) if isinstance(fields, dict) else None
        allowed = f"the fields of an invocation: {', '.join(known)}"
        raise InvalidArgumentError(f"{OPTION}: token {number}", _unless_a_token(got), allowed)
    try:
        invocation = Invocation.model_validate(fields)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{OPTION}: token {number}: {error.field}", error.got, error.allowed) from None
    if invocation.dry_run and invocation.tree is None:  # each of its calls would find nothing of the one before
        raise InvalidArgumentError(f"{OPTION}: token {number}: dry_run", True, "false where there is no run_id")  # noqa: FBT003
    return invocation
