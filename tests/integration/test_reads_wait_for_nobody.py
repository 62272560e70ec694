"""What only reads goes on while this process holds the file's write lock."""

from __future__ import annotations

from collections.abc import Callable

import keyledger


def test_an_export_may_be_made_while_a_rebuild_tells_its_progress(reopen: Callable[..., keyledger.Ledger]) -> None:
    with reopen() as ledger:
        kv = ledger.partition("p")
        kv.set("a", 1)
        exported: list[str] = []
        ledger.rebuild(progress=lambda _done, _total: exported.extend(ledger.export_lines("p")))
        assert len(exported) == 1


def test_what_changes_nothing_needs_no_turn(reopen: Callable[..., keyledger.Ledger]) -> None:
    with reopen() as ledger:
        kv, other = ledger.partition("p"), ledger.partition("q")
        kv.set("a", 1)
        deleted: list[bool] = []
        ledger.rebuild(progress=lambda _done, _total: deleted.append(other.delete("absent")))
        assert deleted == [False]
