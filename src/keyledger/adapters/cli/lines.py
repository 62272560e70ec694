"""Files of JSON lines, and standard input."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from keyledger.domain.errors import InvalidArgumentError

STANDARD_INPUT = STANDARD_OUTPUT = "-"


def standard_input() -> BinaryIO:
    """The bytes of standard input; InvalidArgumentError if it is closed."""
    if sys.stdin is None:
        raise InvalidArgumentError(STANDARD_INPUT, None, "an open standard input")
    return sys.stdin.buffer


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """A file to read, or standard input for ``-``; InvalidArgumentError if it cannot be opened."""
    if file == STANDARD_INPUT:
        yield standard_input()
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - entered below, where its errors are not ours
    except OSError as error:
        allowed = f"a file that can be read, or - for standard input ({error.strerror})"
        raise InvalidArgumentError("file", file, allowed) from None
    with stream:
        yield stream


@contextmanager
def created(file: str) -> Iterator[BinaryIO | None]:
    """A file to write anew, or None for ``-``, standard output; InvalidArgumentError if it cannot be."""
    if file == STANDARD_OUTPUT:
        yield None
        return
    try:
        stream = Path(file).open("wb")  # noqa: SIM115 - entered below, where its errors are not ours
    except OSError as error:
        allowed = f"a file that can be written, or - for standard output ({error.strerror})"
        raise InvalidArgumentError("file", file, allowed) from None
    with stream:
        yield stream


def lines_of(stream: BinaryIO) -> Iterable[bytes]:
    """The lines, each as soon as it is there, without a byte order mark."""
    for number, line in enumerate(stream):
        yield line.removeprefix(BOM_UTF8) if number == 0 else line
