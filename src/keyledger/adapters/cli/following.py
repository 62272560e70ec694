"""Commands that go on until they are stopped."""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def until_stopped() -> Iterator[None]:
    """Runs a block that Ctrl-C and SIGTERM end; both are the way in which it is meant to end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def pause(seconds: float) -> bool:
    """Wait, and say false, as nothing ends here; BrokenPipeError as soon as nobody reads standard output.

    That is found out where the system can tell; else the next output will.
    """
    try:
        output = sys.stdout.fileno()
        watch = select.poll()
    except (io.UnsupportedOperation, AttributeError):
        time.sleep(seconds)
        return False
    watch.register(output, 0)
    if watch.poll(seconds * 1_000):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    return False
