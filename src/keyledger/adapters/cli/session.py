"""What every command runs in: the ledger that it was pointed at, and whether a program reads along."""

from __future__ import annotations

import binascii
import inspect
import os
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec

import typer

from keyledger.adapters.cli.options import Json, UrlAfter
from keyledger.domain.audit.follower_ports import Following, Progress
from keyledger.domain.errors import InvalidArgumentError, NotConfiguredError
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import Clock
from keyledger.opening import DEFAULT_URL, follower, open  # noqa: A004 - keyledger.open

if TYPE_CHECKING:
    from eventsourcing.persistence import Cipher

CIPHER_KEY = "KEYLEDGER_CIPHER_KEY"
QUOTA = "KEYLEDGER_KV_NAMESPACE_QUOTA_BYTES"
GLOBAL_QUOTA = "KEYLEDGER_KV_GLOBAL_QUOTA_BYTES"
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Session:
    """``url`` names the ledger; with ``as_json`` the command prints one JSON document."""

    url: str = DEFAULT_URL
    as_json: bool = False

    def open(
        self,
        *,
        clock: Clock | None = None,
        create: bool = True,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
    ) -> Ledger:
        """The ledger, to be used as a context manager; encrypted if KEYLEDGER_CIPHER_KEY is set.

        What only reads or tidies passes ``create=False``: a mistyped name should not become a new ledger.
        """
        return open(
            self.url,
            clock=clock,
            create=create,
            synchronous=synchronous,
            cipher=cipher_from_environment(),
            **limits_from_environment(),
        )

    def follower(self, ledger: Ledger, into: str, progress: Progress) -> Following:
        """What follows the ledger's runs into the table ``into``."""
        return follower(ledger, into, progress=progress)


def command(
    app: typer.Typer, name: str, *, on_ledger: bool = True, **settings: Any
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Make a function a command of ``app``; its first parameter is the session, the others are options.

    So that ``--url`` and ``--json`` may also stand after the command, every command gets them as well; one
    that is not ``on_ledger`` has no use for the URL.
    """
    shared = [_CONTEXT, _URL, _JSON] if on_ledger else [_CONTEXT, _JSON]

    def register(function: Callable[Concatenate[Session, P], None]) -> Callable[Concatenate[Session, P], None]:
        def run(**arguments: Any) -> None:
            above: Session = arguments.pop("context").obj
            url, as_json = arguments.pop("url", None), arguments.pop("as_json")
            session = Session(above.url if url is None else url, as_json or above.as_json)
            function(session, **arguments)  # type: ignore[call-arg]

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
        app.command(name, help=_unwrapped(function.__doc__ or ""), **settings)(run)
        return function

    return register


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


_CONTEXT = _keyword("context", typer.Context)
_URL = _keyword("url", UrlAfter, None)
_JSON = _keyword("as_json", Json, default=False)


def _unwrapped(text: str) -> str:
    """Each paragraph on one line, for the help to wrap anew."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def limits_from_environment() -> dict[str, Any]:
    """The quotas that the environment sets, in bytes; every process that writes should have the same."""
    limits: dict[str, Any] = {}
    for name, option in ((QUOTA, "quota"), (GLOBAL_QUOTA, "global_quota")):
        text = os.environ.get(name)
        if text:
            if not text.isdecimal():
                raise InvalidArgumentError(name, text, "a number of bytes")
            limits[option] = int(text)
    return limits


def cipher_from_environment() -> Cipher | None:
    """The cipher that KEYLEDGER_CIPHER_KEY asks for: AES with a base64 key; None if it is not set.

    Raises:
        InvalidArgumentError: it is not a key. What came is not repeated: it may be a secret.
        NotConfiguredError: the extra that brings AES is not installed.
    """
    text = os.environ.get(CIPHER_KEY)
    if not text:
        return None
    try:
        size = len(b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size not in {16, 24, 32}:
        raise InvalidArgumentError(CIPHER_KEY, "(not shown)", "16, 24 or 32 random bytes in base64")
    try:
        from eventsourcing.cryptography import AESCipher  # noqa: PLC0415 - an extra, needed for this alone
        from eventsourcing.utils import Environment  # noqa: PLC0415
    except ImportError as error:
        raise NotConfiguredError(f"{CIPHER_KEY}: needs an extra: pip install 'keyledger[crypto]'") from error
    return AESCipher(Environment(env={AESCipher.CIPHER_KEY: text}))
