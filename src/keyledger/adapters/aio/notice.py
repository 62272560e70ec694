"""How a thread wakes a task that waits in an event loop."""

from __future__ import annotations

from asyncio import AbstractEventLoop, CancelledError, get_running_loop
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import local


class Notice:
    """What one task waits for, in the loop that it runs in."""

    __slots__ = ("_loop", "_mailbox", "_told", "_wake")

    def __init__(self) -> None:
        self._loop = get_running_loop()
        self._mailbox = _mailbox_of(self._loop)
        self._wake = self._loop.create_future()
        self._told = False

    def tell(self) -> None:
        """Wake the task, from any thread."""
        self._mailbox.post(self)

    def deliver(self) -> None:
        """Wake the task, from its own loop."""
        self._told = True
        if not self._wake.done():
            self._wake.set_result(None)

    async def wait(self, give_up: Callable[[], bool]) -> None:
        """Return when told.

        A cancellation goes on at once if ``give_up`` can still undo what is waited for, else when told. A second
        one does not wait.
        """
        try:
            await self._wake
        except CancelledError:
            if not give_up() and not self._told:
                self._wake = self._loop.create_future()
                await self._wake
            raise


class _Mailbox:
    """The notices for one loop: however many come at a time, the loop is woken once.

    To wake it is a system call, during which the thread lets go of the interpreter.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._notices: deque[Notice] = deque()
        self._woken = False

    def post(self, notice: Notice) -> None:
        self._notices.append(notice)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # before the notices are taken: one that comes now wakes the loop anew
        with suppress(IndexError):
            while True:
                self._notices.popleft().deliver()


class _Mailboxes(local):
    """A thread runs one loop at a time, so each keeps one mailbox."""

    latest: _Mailbox | None = None


_mailboxes = _Mailboxes()


def _mailbox_of(loop: AbstractEventLoop) -> _Mailbox:
    mailbox = _mailboxes.latest
    if mailbox is None or mailbox.loop is not loop:
        mailbox = _mailboxes.latest = _Mailbox(loop)
    return mailbox
