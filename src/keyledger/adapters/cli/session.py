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

from keyledger.adapters.cli.options import ConfigFile, Json, Url
from keyledger.adapters.cli.output import note
from keyledger.configured import Config, configured, is_configured
from keyledger.domain.audit.follower_ports import Following, Progress
from keyledger.domain.errors import InvalidArgumentError, NotConfiguredError
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import Clock
from keyledger.opening import DEFAULT_URL, follower, open  # noqa: A004 - keyledger.open

if TYPE_CHECKING:
    from eventsourcing.persistence import Cipher

CIPHER_KEY = "KEYLEDGER_CIPHER_KEY"
URL = "KEYLEDGER_URL"
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Session:
    """``url`` and ``config_file`` say which ledger; with ``as_json`` the command prints one JSON document."""

    url: str | None = None
    as_json: bool = False
    config_file: str | None = None

    def open(
        self,
        *,
        clock: Clock | None = None,
        create: bool = True,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        **more: Any,
    ) -> Ledger:
        """The ledger, to be used as a context manager; encrypted if KEYLEDGER_CIPHER_KEY is set.

        What only reads or tidies passes ``create=False``: a mistyped name should not become a new ledger. ``more``
        are options of :func:`keyledger.open` that come before what is configured.
        """
        cipher = cipher_from_environment()
        if not is_configured(self.config_file):
            url = os.environ.get(URL) or DEFAULT_URL if self.url is None else self.url
            return open(url, clock=clock, create=create, synchronous=synchronous, cipher=cipher, **more)
        config = self.config()
        for notice in config.notices:
            note(notice, as_json=self.as_json)
        return config.open(clock=clock, create=create, synchronous=synchronous, cipher=cipher, **more)

    def config(self) -> Config:
        """What the ledger is opened with."""
        return configured(self.config_file, "--config", {} if self.url is None else {"url": self.url})

    def follower(self, ledger: Ledger, into: str, progress: Progress) -> Following:
        """What follows the ledger's runs into the table ``into``."""
        return follower(ledger, into, progress=progress)


def command(
    app: typer.Typer, name: str, *, on_ledger: bool = True, **settings: Any
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Make a function a command of ``app``; its first parameter is the session, the others are options.

    So that ``--url``, ``--config`` and ``--json`` may also stand after the command, every command gets them as
    well; one that is not ``on_ledger`` has no use for the first two.
    """
    shared = [_CONTEXT, _URL, _CONFIG, _JSON] if on_ledger else [_CONTEXT, _JSON]

    def register(function: Callable[Concatenate[Session, P], None]) -> Callable[Concatenate[Session, P], None]:
        def run(**arguments: Any) -> None:
            above: Session = arguments.pop("context").obj
            url, file = arguments.pop("url", None), arguments.pop("config_file", None)
            session = Session(
                above.url if url is None else url,
                arguments.pop("as_json") or above.as_json,
                above.config_file if file is None else file,
            )
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
_URL = _keyword("url", Url, None)
_CONFIG = _keyword("config_file", ConfigFile, None)
_JSON = _keyword("as_json", Json, default=False)


def _unwrapped(text: str) -> str:
    """Each paragraph on one line, for the help to wrap anew."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


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
