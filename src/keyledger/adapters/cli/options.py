"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Key = Annotated[str, typer.Argument(metavar="KEY", help="The key: 1 to 512 bytes.", show_default=False)]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="A file of JSON lines; - is standard input.", show_default=False)
]

Partition = Annotated[str, typer.Option("--partition", "-p", help="The namespace that the key lives in.")]
Scope = Annotated[str, typer.Option("--scope", help="skill, user:ID, run:ID or root_run:ID.")]
At = Annotated[
    str | None, typer.Option("--at", metavar="MOMENT", help="As of then: a revision, time, age or token.")
]
Moment = Annotated[
    str | None,
    typer.Argument(metavar="MOMENT", help="A revision, time, age as 2h, or token; now.", show_default=False),
]
Run = Annotated[
    str | None, typer.Option("--run", metavar="ID", help="In place of MOMENT: what this run started from.")
]
End = Annotated[bool, typer.Option("--end", help="With --run: what its last change left.")]
PartitionThen = Annotated[
    str | None,
    typer.Option(
        "--partition",
        "-p",
        help="The namespace; unless given, that of a token or of what --run wrote, else default.",
    ),
]
ScopeThen = Annotated[
    str | None, typer.Option("--scope", help="skill (unless given), user:ID, run:ID or root_run:ID.")
]
Actor = Annotated[str | None, typer.Option("--actor", help="Who does it, for the history.")]
RunId = Annotated[str | None, typer.Option("--run-id", help="The run in which it is done, for the history.")]
Ttl = Annotated[float | None, typer.Option("--ttl", help="Seconds until the entry expires; never unless given.")]
IfRevision = Annotated[
    int | None, typer.Option("--if-revision", help="Only if the key is at this revision; 0: only if it is new.")
]
RequestId = Annotated[
    str | None, typer.Option("--request-id", help="Makes a repeat of this command return its first result.")
]
Limit = Annotated[int, typer.Option("--limit", help="The most rows to show, 1 to 1000.")]
All = Annotated[bool, typer.Option("--all", help="All of them, read bit by bit; --limit does not hold.")]
Prefix = Annotated[str, typer.Option("--prefix", help="Only what begins with this.")]
After = Annotated[str, typer.Option("--after", help="Continue after this one: the next of the page before.")]
_LEDGER = "sqlite:///FILE.db, postgresql://USER@HOST/DB or memory://."
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help=f"The ledger: {_LEDGER} Else the file of --config; else KEYLEDGER_URL; else sqlite:///keyledger.db.",
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A YAML file of settings. Else KEYLEDGER_CONFIG; else keyledger.yaml, if it is there.",
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
TIME = "A time with an offset, as 2026-11-21T14:00:00Z, or an age: 90s, 15m, 2h, 7d, 4w."
