"""What a replay comes to."""

from __future__ import annotations

from dataclasses import dataclass

from keyledger.domain.records import Entry, Version


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a replay acted on in place of a partition, or a dispatch tree, that the run had read or written.

    ``source`` is the token of the moment that it began as a fork of, ``partition_id`` its own name. A tree's is
    ``__root_run__``, and ``scope`` the one that its entries are read under; None otherwise.
    """

    source: str
    partition_id: str
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """The first step that came out otherwise: a read, or a write of a key that did not leave what it had left.

    ``operation`` is ``read`` or that of the version written. ``then`` is the version that the run read or wrote,
    None where it found nothing; ``now`` is what stands there in the sandbox. ``refusal`` says why the write was
    refused now. ``cause`` is a change by somebody else, while the run went on, that explains it; None if there is
    none.
    """

    operation: str
    partition_id: str
    scope: str
    key: str
    then: Version | None
    now: Entry | None
    refusal: str | None = None
    cause: Version | None = None


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay came to.

    A step is one key read or written: the run had so many ``writes``, and recorded so many ``reads``. ``agreed``
    of them came out as they had: all, if there is no ``difference``; after the first, nothing was done. ``purged``
    says that the run was purged, and with it what it had read.
    """

    run_id: str
    sandboxes: tuple[Sandbox, ...]
    writes: int
    reads: int
    agreed: int
    purged: bool
    difference: ReplayDifference | None
