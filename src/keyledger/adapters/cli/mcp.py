"""The command mcp: the ledger's tools and resources for any agent host that speaks the Model Context Protocol."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from keyledger.adapters.cli.lines import STANDARD_OUTPUT, standard_input
from keyledger.adapters.cli.output import print_json, say
from keyledger.adapters.cli.session import Session, command
from keyledger.domain.errors import InvalidArgumentError, NotConfiguredError
from keyledger.domain.invocation import Invocation
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from keyledger.domain.strict import RequiredFieldError

app = typer.Typer()

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8765
_OPTIONS: Final = {
    "skill_id": "--skill",
    "caller_id": "--caller",
    "channel_id": "--channel",
    "run_id": "--run",
    "root_run_id": "--root-run",
    "parent_run_id": "--parent-run",
    "is_admin": "--admin",
    "flags": "--flag",
}


@command(app, "mcp")
def serve_mcp(
    session: Session,
    *,
    transport: Annotated[
        Literal["stdio", "http"],
        typer.Option("--transport", help="stdio serves the host that started it; http whoever may connect."),
    ] = "stdio",
    host: Annotated[
        str | None, typer.Option("--host", help=f"With http: where to listen, {DEFAULT_HOST} unless given.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65_535, help=f"With http: {DEFAULT_PORT} unless given; 0 takes a free one."
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option("--tokens", help="With http: a YAML or JSON file of bearer tokens and whom each stands for."),
    ] = None,
    skill: Annotated[str | None, typer.Option("--skill", help="The skill whose keys are served.")] = None,
    caller: Annotated[str | None, typer.Option("--caller", help="Whom the agent works for.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Where it was asked.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="The run that calls; recorded in the history.")] = None,
    root_run: Annotated[
        str | None, typer.Option("--root-run", help="The run that its dispatch tree began with.")
    ] = None,
    parent_run: Annotated[str | None, typer.Option("--parent-run", help="The run that called it.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="The caller may use every user's scope.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Offer only tools that change nothing.")] = False,
    flag: Annotated[
        list[str] | None, typer.Option("--flag", help="Grant this flag as well; may be given more than once.")
    ] = None,
) -> None:
    """Serve the tools and resources of a ledger over the Model Context Protocol.

    Who calls and what they may do is said here or by the bearer token, never by what the model sends. It ends when
    standard input does, or at Ctrl-C or SIGTERM; calls that have begun are finished.
    """
    given = {
        "skill_id": skill,
        "caller_id": caller,
        "channel_id": channel,
        "run_id": run,
        "root_run_id": root_run,
        "parent_run_id": parent_run,
        "is_admin": admin or None,
        "flags": flag or None,
    }
    _require_sdk()
    if transport == "stdio":
        _refuse(
            {"--host": host, "--port": port, "--tokens": tokens and str(tokens)},
            "nothing without --transport http",
        )
        _over_stdio(session, _invocation(given, read_only=read_only), create=not read_only)
    elif tokens is None:
        invocation = _invocation(given, read_only=read_only, unless=", unless --tokens FILE says who may call")
        _over_http(session, host, port, invocation, create=not read_only)
    else:
        named = {_OPTIONS[name]: value for name, value in given.items()} | {"--read-only": read_only or None}
        _refuse(named, "nothing beside --tokens, whose file says who calls")
        _over_http(session, host, port, tokens, create=True)


def _require_sdk() -> None:
    try:
        import mcp  # noqa: F401, PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise NotConfiguredError(
            "mcp: needs the extra that brings the SDK: pip install 'keyledger[mcp]'"
        ) from error


def _refuse(given: Mapping[str, object], allowed: str) -> None:
    for option, value in given.items():
        if value is not None:
            raise InvalidArgumentError(option, value, allowed)


def _invocation(given: Mapping[str, Any], *, read_only: bool, unless: str = "") -> Invocation:
    """Whom the options name; without --read-only it may write. ``unless`` says what would do as well."""
    flags = {ACCESS_FLAG, *(given["flags"] or ())}
    if read_only and WRITE_FLAG in flags:
        raise InvalidArgumentError("--flag", WRITE_FLAG, "what does not contradict --read-only")
    said = {name: value for name, value in given.items() if value is not None}
    try:
        return Invocation.model_validate(said | {"flags": flags if read_only else flags | {WRITE_FLAG}})
    except InvalidArgumentError as error:
        option = _OPTIONS[error.field.removeprefix(Invocation.where)]
        if isinstance(error, RequiredFieldError):
            required = RequiredFieldError(option)
            required.args = (f"{required}{unless}",)
            raise required from None
        raise InvalidArgumentError(option, error.got, error.allowed) from None


def _over_stdio(session: Session, invocation: Invocation, *, create: bool) -> None:
    from asyncio import run  # noqa: PLC0415 - 30 ms that no other command needs

    from keyledger.adapters.mcp.server import make_server  # noqa: PLC0415 - it imports the SDK
    from keyledger.adapters.mcp.stdio import serve_stdio  # noqa: PLC0415
    from keyledger.adapters.mcp.turns import Turns  # noqa: PLC0415

    standard_input()
    if sys.stdout is None:
        raise InvalidArgumentError(STANDARD_OUTPUT, None, "an open standard output")
    with session.open(create=create, enforce_flags=True) as ledger:
        run(serve_stdio(make_server(ledger, lambda _: invocation, Turns.of_one())))


def _over_http(
    session: Session, host: str | None, port: int | None, who: Invocation | Path, *, create: bool
) -> None:
    from asyncio import run  # noqa: PLC0415 - as above

    from keyledger.adapters.mcp import http  # noqa: PLC0415 - as above
    from keyledger.adapters.mcp.server import make_server  # noqa: PLC0415
    from keyledger.adapters.mcp.tokens import bearer, read_tokens  # noqa: PLC0415
    from keyledger.adapters.mcp.turns import Turns  # noqa: PLC0415

    tokens = read_tokens(who) if isinstance(who, Path) else None
    host = DEFAULT_HOST if host is None else host
    if tokens is None and not http.is_loopback(host):
        raise InvalidArgumentError(
            "--host", host, "127.0.0.1, ::1 or localhost, unless --tokens says who may call"
        )
    listening = http.listen(host, DEFAULT_PORT if port is None else port)
    with listening, session.open(create=create, enforce_flags=True) as ledger:
        identify = bearer if isinstance(who, Path) else lambda _: who
        server = make_server(ledger, identify, Turns.of_many())
        _tell(http.url_of(listening), as_json=session.as_json)
        run(http.serve_http(server, listening, host, tokens))


def _tell(url: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"url": url})
    else:
        say(f"serving at {url}; Ctrl-C ends it")
