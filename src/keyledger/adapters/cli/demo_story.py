"""What the demo tells: the session as it goes, then what the ledger shows of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any, NamedTuple

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keyledger.adapters.cli.key_output import print_versions
from keyledger.adapters.cli.output import (
    NUMBER,
    count,
    line,
    out,
    partitions_table,
    printable,
    say,
    shown,
    table,
    ttl,
)
from keyledger.adapters.cli.run_output import drawn
from keyledger.adapters.cli.run_tree import branches
from keyledger.domain.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the session: when it was made, what was asked, what was answered."""

    time: datetime
    tool: str
    args: dict[str, Any]
    invocation: dict[str, Any]
    answer: dict[str, Any]


class Chapter(NamedTuple):
    """What stands above the calls of a chapter."""

    title: str
    text: str


CHAPTERS = (
    Chapter(
        "The weather desk does its round",
        """
        The skill weather-desk has a partition of its own. It caches forecasts for
        15 minutes (ttl_seconds: 900) and counts its fetches.
        """,
    ),
    Chapter(
        "Ada wants a weekend away",
        """
        The trip planner (run r-200) dispatches two workers, r-201 and r-202. The
        three share findings in the scope root_run:r-200. What a worker needs for
        itself goes to its run: scope, and what is Ada's to user:ada.
        """,
    ),
    Chapter(
        "Bo looks where he should not",
        """
        His run r-310 is neither Ada's nor of that dispatch tree.
        """,
    ),
    Chapter(
        "A quarter of an hour has passed",
        """
        The forecast has expired. The desk fetches it anew; Mia corrects it by hand.
        """,
    ),
    Chapter(
        "Ada and Cy edit one plan",
        """
        Both have read revision 1, and say so when they write (if_revision: 1). Cy is
        first. Ada is refused, reads again, and loses nothing of Cy's.
        """,
    ),
    Chapter(
        "Billing runs out of room",
        """
        An admin gave billing-helper 400 bytes. Its host retries a call that timed
        out: with the same request_id it counts once. The second invoice fits only
        when the draft is deleted.
        """,
    ),
)

TRY_NEXT = (
    "history draft:letter -p billing-helper",
    "diff --run r-102 -p weather-desk",
    "bisect forecast:rome 'high < `15`' -p weather-desk",
    "runs list --skill weather-desk",
    "runs show r-310",
    "get plan:ada -p trip-planner --json",
)
STORY_KEY = ("weather-desk", "forecast:rome")
STORY_RUN = "r-200"


def tell_start(file: str) -> None:
    """Say what is about to be shown."""
    line(out(), ("A recorded session of four agents, replayed into ", "bold"), (printable(file), "bold cyan"))
    say("Each line is one tool call: when (UTC), for whom, by which skill, what, answer.", "dim")


def tell_chapter(number: int, calls: Sequence[Call]) -> None:
    """Tell one chapter: what it is about, and its calls with their answers."""
    chapter = CHAPTERS[number]
    say("")
    say(f"{number + 1}. {chapter.title}", "bold")
    say(dedent(chapter.text).strip(), "dim")
    for call in calls:
        who = call.invocation
        asked = f"{_clock(call.time)} {who['caller_id']:<4} {who['skill_id']:<14} {_asked(call):<34} "
        out().print(Text.assemble(asked, _answered(call)), no_wrap=True, overflow="ellipsis")


def tell_end(ledger: Ledger, calls: Sequence[Call], url: str) -> None:
    """Show what stands in the ledger now, and name some commands to go on with."""
    _heading("What stands in the ledger now", "by partition and scope")
    out().print(_values(ledger, calls))
    partition, key = STORY_KEY
    _heading(f"The history of {key}", "each change is an event: by whom, in which run")
    print_versions(ledger.partition(partition).history(key), _clock)
    _heading("Who called whom", "each run with its time, its tokens and what it wrote")
    tree = branches(ledger.runs.tree(STORY_RUN))
    writes = ledger.runs.count_writes([run.id for run, _, _ in tree])
    out().print(drawn(tree, STORY_RUN, writes, calls[-1].time))
    _heading("Usage against quota", "__root_run__ is what dispatch trees share")
    out().print(partitions_table(ledger.partitions()))
    _heading("What was refused", "nothing of it was written")
    for call in calls:
        if not call.answer["ok"]:
            say(f"{_clock(call.time)} {call.invocation['caller_id']} in run {call.invocation['run_id']}", "dim")
            out().print(Padding(Text(call.answer["message"], "red"), (0, 0, 0, 2)))
    _heading("Try next", "the same file, from the shell")
    say(f"  export KEYLEDGER_URL={shlex.quote(url)}", "cyan")
    for command in TRY_NEXT:
        say(f"  keyledger {command}", "cyan")


def _heading(title: str, text: str) -> None:
    say("")
    line(out(), (title, "bold"), (f": {text}", "dim"))


def _clock(time: datetime) -> str:
    return f"{time.astimezone(UTC):%H:%M}"


def _asked(call: Call) -> str:
    scope = call.args.get("scope", "skill")
    where = "" if scope == "skill" else f"{scope} "
    what = call.args.get("key") or f"{call.args.get('prefix', '')}*"
    return f"{_VERBS.get(call.tool, call.tool)} {where}{what}"


_VERBS = {"kv_get": "get", "kv_set": "set", "kv_delete": "delete", "kv_increment": "incr", "kv_list": "list"}


def _answered(call: Call) -> Text:
    if not call.answer["ok"]:
        return Text(call.answer["error"], "bold red")
    result = call.answer["result"]
    match call.tool:
        case "kv_get":
            return shown(result["value"]) if result["found"] else Text("nothing there", "yellow")
        case "kv_set":
            return Text(f"revision {result['revision']}", "green")
        case "kv_increment":
            return Text(f"now {result['value']}", "green")
        case "kv_list":
            return Text(count(len(result["entries"]), "value"))
        case _:
            return Text("deleted" if result["deleted"] else "was not there", "green")


def _values(ledger: Ledger, calls: Sequence[Call]) -> Table:
    """The live entries of every scope that the session used."""
    made = table("partition", "scope", "key", "value", ("ttl", NUMBER))
    used = dict.fromkeys((call.invocation["skill_id"], call.args.get("scope", "skill")) for call in calls)
    seen = set[str]()
    for partition, scope in used:
        if scope.startswith("root_run:") and scope in seen:
            continue
        seen.add(scope)
        for entry in ledger.partition(partition).list(scope=scope):
            shared = "(shared)" if scope.startswith("root_run:") else partition
            made.add_row(shared, scope, Text(entry.key, "cyan"), shown(entry.value), ttl(entry))
    return made
