"""The follower: the thread of a worker that counts the journal, up to its end and on.

Exactly one per journal is at work (a lock of its own), the others stand by for it to end. Whatever the store does, the
journal waits on disk: nothing here keeps httpd waiting.
"""

from __future__ import annotations

import fcntl
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelog.errors import BackendUnavailable, IntakeError, PipelogError, StoreError
from pipelog.intake.journal import FILE_MODE, Position
from pipelog.intake.messages import say
from pipelog.intake.status import alive, read_status
from pipelog.intake.supervisor import CANNOT_BOOT

if TYPE_CHECKING:
    from pipelog.intake.counting import JournalCounter
    from pipelog.intake.plan import Plan

STAND_BY = 0.1
"""Seconds between two looks whether the follower at work has ended."""
SHARE = 4
"""A commit is followed by so many times as long without one, in a hurry, too: each changes the same pages of the store
again. With one after every chunk, a backlog took twice the CPU."""
MOST_PAUSE = 2.0
"""Seconds without a commit at most, for its sake."""
GIVE_UP = 5.0
"""Seconds that a worker whose input has ended waits for a store that is broken, not merely down."""


class Follower:
    """Started by `start`; told the input's end by `finish`. `others()`: whether another worker has an open input."""

    def __init__(self, plan: Plan, *, others: Callable[[], bool] = lambda: False) -> None:
        self._plan = plan
        self._others = others
        # A pipe and no threading.Event: `hurry` is called by a signal handler, which may interrupt itself, and the
        # Event's lock is not reentrant. The write is.
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._urgent = self._finishing = False
        self._direct: deque[bytes] = deque()
        self._direct_left = 0
        self._direct_tallied = 0
        self._direct_done = 0
        self._lock = -1
        self._committed = Position(0, 0)
        self._leading = self._waiting = False
        self._broken = ""
        self._for_good = False
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    # -- for the worker's main thread ----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, in a thread of its own: its imports must not delay the first read of the pipe."""
        self._thread.start()

    def hurry(self) -> None:
        """Commit now, and after every chunk from now on. May be called by a signal handler."""
        self._urgent = True
        self._wake()

    def count_directly(self, lines: bytes) -> None:
        """Count lines that could not be written to the journal."""
        self._direct.append(lines)
        self._direct_left += 1
        self._wake()

    def finish(self, end: Position) -> int:
        """Wait until the journal is counted up to `end`, by this follower or by the one at work; the exit code.

        Not while the store is away and another worker's input is open, which will see to it: each reload would leave
        two processes behind until the store is back.
        """
        self._urgent = self._finishing = True
        began = time.monotonic()
        while True:
            self._wake()
            counted = self._committed >= end or self._counted_elsewhere(end)
            idle = self._waiting or not self._leading
            if self._direct_done == self._direct_left and (counted or (idle and self._others())):
                return 0
            if self._broken and (self._for_good or time.monotonic() - began > GIVE_UP):
                say(f"{self._broken}: what was read is kept in the journal and is counted once that is mended")
                return CANNOT_BOOT
            self._thread.join(0.02)

    def _counted_elsewhere(self, end: Position) -> bool:
        if self._leading:
            return False
        status = read_status(self._plan.state)
        return status is not None and status.pid != os.getpid() and status.position >= end and alive(status.pid)

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._count()
        except BaseException as error:
            # A worker without its follower would fill the disk and count nothing: end it, the supervisor starts anew.
            say(f"the counting thread ended: {type(error).__name__}: {error}")
            os._exit(70)

    def _count(self) -> None:
        from pipelog.intake.counting import JournalCounter  # parser, rules, driver: 50 ms, and in this thread only

        counter: JournalCounter | None = None
        while True:
            try:
                if counter is None:
                    counter = JournalCounter(self._plan)
                self._tally_direct(counter)
                self._commit_direct(counter)
                if self._take_lock() and counter.lead(self._lock):
                    self._leading = True
                    self._lead(counter)
                self._broken = ""
                self._pause(STAND_BY)
            except (PipelogError, OSError) as error:
                self._trouble(error)
                if isinstance(error, IntakeError) and self._lock >= 0:
                    os.close(self._lock)
                    self._lock, self._leading, self._committed = -1, False, Position(0, 0)

    def _lead(self, counter: JournalCounter) -> None:
        """At work, until an error. What was tallied when the store failed is kept, and tried again."""
        committed = time.monotonic()
        self._committed = counter.position
        counter.report()  # workers that stand by at their input's end look there
        rest = 0.0
        while True:
            due = committed + max(rest, 0.0 if self._urgent else self._plan.flush)
            at_end = counter.count(due)
            now = time.monotonic()
            if at_end and now < due and not self._direct:
                self._pause(due - now)
                continue
            while not self._commit(counter):
                pass
            self._committed = counter.position
            committed, began = time.monotonic(), now
            rest = min(SHARE * (committed - began), MOST_PAUSE)
            if at_end and self._urgent:
                self._pause(self._plan.flush)

    def _commit(self, counter: JournalCounter) -> bool:
        try:
            self._tally_direct(counter)
            counter.commit()
            self._commit_direct(counter)
        except (BackendUnavailable, StoreError) as error:
            self._trouble(error)
            return False
        self._broken, self._waiting = "", False
        return True

    def _take_lock(self) -> bool:
        path = self._plan.state / "follower.lock"
        try:
            if self._lock < 0:
                self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        return True

    def _tally_direct(self, counter: JournalCounter) -> None:
        """At once, whatever the store does: a tally takes bounded room, lines do not."""
        while self._direct:
            counter.count_directly(self._direct.popleft())
            self._direct_tallied += 1

    def _commit_direct(self, counter: JournalCounter) -> None:
        counter.commit_directly()
        self._direct_done = self._direct_tallied

    def _trouble(self, error: Exception) -> None:
        """A store that is down is waited for; one that is broken too, but not for ever once the input has ended."""
        self._waiting = True
        self._broken = "" if isinstance(error, BackendUnavailable) else str(error)
        self._for_good = isinstance(error, ValueError | LookupError)  # settings, formats, URLs, plugins
        if not (self._for_good and self._finishing):
            say(f"{error}: lines wait in the journal", type(error).__name__)
        time.sleep(min(self._plan.flush, 0.5))

    def _pause(self, seconds: float) -> None:
        if self._poll.poll((min(seconds, 0.02) if self._urgent else seconds) * 1000):
            os.read(self._wake_read, 4096)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b".")
        except BlockingIOError:
            pass  # full of wake-ups
