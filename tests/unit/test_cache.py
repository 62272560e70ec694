"""What a process remembers of its streams: as much as fits, counted without looking at all of it."""

from __future__ import annotations

from datetime import UTC, datetime

from keyledger.domain.cache import SliceCache
from keyledger.domain.commands import Attribution, Batch, KeyAction, PartitionCommand
from keyledger.domain.partition import PartitionState, decided
from keyledger.domain.ports import Slice
from keyledger.domain.quota import Leases

from .specs import deleting, setting

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def after(state: PartitionState, *actions: KeyAction) -> PartitionState:
    return decided(PartitionCommand(Batch(actions), Attribution("q")), state, NOW).state


def written(number: int, key: str = "a", value: str = "x" * 1_000) -> Slice:
    return Slice(after(PartitionState(f"partition:{number}"), setting(key, value)))


def test_beyond_its_bytes_it_forgets_what_was_written_longest_ago() -> None:
    cache = SliceCache(max_bytes=20_000)
    for number in range(100):
        cache.put(f"partition:{number}", written(number))
    kept = [number for number in range(100) if cache.get(f"partition:{number}", ())]
    assert kept == list(range(100 - len(kept), 100))
    assert 5 <= len(kept) <= 20


def test_a_slice_that_grows_pushes_others_out_and_one_that_shrinks_makes_room() -> None:
    cache = SliceCache(max_bytes=20_000)
    cache.put("partition:0", written(0))
    cache.put(
        "partition:1", grown := Slice(after(written(1).state, *[setting(str(n), "x" * 1_000) for n in range(9)]))
    )
    assert cache.get("partition:0", ())
    cache.put("partition:1", Slice(after(grown.state, *[setting(str(n), "x" * 1_900) for n in range(9)])))
    assert cache.get("partition:0", ()) is None
    cache.put("partition:1", Slice(after(grown.state, *[deleting(str(n)) for n in range(9)])))
    for number in range(2, 6):
        cache.put(f"partition:{number}", written(number))
    assert all(cache.get(f"partition:{number}", ()) for number in range(1, 6))


def test_what_was_loaded_at_the_same_head_joins_what_was_known() -> None:
    cache = SliceCache()
    whole = after(PartitionState("partition:p"), setting("a", 1), setting("b", 2))
    a, b = ("skill", "a"), ("skill", "b")
    cache.learn("partition:p", Slice(whole.with_entries([(a, whole.entries[a])])))
    cache.learn("partition:p", Slice(whole.with_entries([(b, whole.entries[b])])))
    known = cache.get("partition:p", (a, b))
    assert known is not None
    assert known.state == whole


def test_what_was_loaded_at_another_head_replaces_it() -> None:
    cache = SliceCache()
    before = written(1)
    cache.put("partition:1", before)
    cache.learn("partition:1", Slice(after(before.state, setting("b", 1)).with_entries([])))
    assert cache.get("partition:1", [("skill", "a")]) is None


def test_a_rebuilt_head_is_another_one_though_its_revision_stays() -> None:
    cache = SliceCache()
    before = written(1)
    cache.put("partition:1", before)
    cache.learn("partition:1", Slice(before.state.with_entries([]), Leases(version=1)))
    assert cache.get("partition:1", [("skill", "a")]) is None


def test_a_head_that_moved_under_the_lock_was_moved_by_others_until_one_is_found_where_it_was_left() -> None:
    cache = SliceCache()
    mine = written(1)
    cache.put("partition:1", mine)
    theirs = Slice(after(mine.state, setting("b", 1)))
    cache.learn("partition:1", theirs, locked=True)
    cache.put("partition:1", again := Slice(after(theirs.state, setting("a", 2))))
    assert cache.is_shared("partition:1")
    cache.learn("partition:1", again, locked=True)
    cache.put("partition:1", Slice(after(again.state, setting("a", 3))))
    assert not cache.is_shared("partition:1")
