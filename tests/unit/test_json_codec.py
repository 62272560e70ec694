"""What JSON text costs in memory, as a process remembers many values."""

import tracemalloc

from keyledger.adapters.json_codec import OrjsonCodec


def test_the_text_of_a_value_takes_its_length_and_little_more() -> None:
    codec = OrjsonCodec()
    tracemalloc.start()
    texts = [codec.encode({"number": number}) for number in range(1_000)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < sum(len(text) + 64 for text in texts)
