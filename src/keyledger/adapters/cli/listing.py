"""How a list of entries is printed, of now or of the past."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from keyledger.adapters.cli.key_output import print_entries
from keyledger.adapters.cli.output import print_all, print_json, printable, say
from keyledger.domain.kv import Partition
from keyledger.domain.past.view import View


class Wanted(NamedTuple):
    """Which entries: a page of one scope, or with ``everything`` all of them, read bit by bit."""

    scope: str
    prefix: str
    limit: int
    after: str
    everything: bool


def print_list(
    source: Partition | View, wanted: Wanted, where: str, *, as_json: bool, head: Mapping[str, Any] | None = None
) -> None:
    """Print the entries of ``source``, which a person knows as ``where``; JSON begins with ``head``."""
    scope, prefix, limit, after, everything = wanted
    none = f"no keys in scope {printable(scope)} of {printable(where)}"
    if everything:
        entries = source.scan(scope=scope, prefix=prefix, after=after)
        if not print_all("entries", entries, print_entries, as_json=as_json, head=head):
            say(none, "dim")
        return
    page = source.list(scope=scope, prefix=prefix, limit=limit, after=after)
    if as_json:
        print_json({**(head or {}), "entries": page.items, "next": page.next})
        return
    if page.items:
        print_entries(page)
    else:
        say(none, "dim")
    say_more(page.next, "--after")


def say_more(cursor: int | str | None, option: str) -> None:
    """Say how to go on, where there is more."""
    if cursor is not None:
        say(f"there are more: {option} {shlex.quote(printable(str(cursor)))}", "dim")
