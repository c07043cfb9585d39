"""The supervisor: keeps a worker at the pipe, whatever happens to workers.

It holds standard input open and never reads it, so that what a dead worker left in the pipe reaches the next one. It
stays small: what is heavy is imported by the worker, after the pipe is being read.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import struct
import time
from collections.abc import Callable

from pipelog.intake.messages import say

SIGNALS = frozenset((signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD))
MOST_DELAY = 1.0
"""Seconds; how long a worker that moves nothing is left dead at the most."""
CANNOT_BOOT = 78  # EX_CONFIG of sysexits.h
TRIES_AFTER_END = 5
"""Workers that may die, one after the other and moving nothing, when the input has ended."""

_CELL = struct.Struct("!QBQ")


class Progress:
    """Shared memory of supervisor and worker: bytes moved by this worker, whether it has seen the input's end, and how
    many workers there were before it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def restarted(self) -> None:
        """For a new worker after another."""
        _CELL.pack_into(self._memory, 0, 0, self.ended, self.restarts + 1)

    def moved(self, total: int) -> None:
        """The worker has moved so many bytes."""
        _CELL.pack_into(self._memory, 0, total, self.ended, self.restarts)

    def end(self) -> None:
        """The worker has seen the input's end."""
        _CELL.pack_into(self._memory, 0, self.bytes, True, self.restarts)

    @property
    def bytes(self) -> int:
        """Moved by the latest worker."""
        return int(_CELL.unpack_from(self._memory)[0])

    @property
    def ended(self) -> bool:
        """Whether any worker has seen the input's end."""
        return bool(_CELL.unpack_from(self._memory)[1])

    @property
    def restarts(self) -> int:
        """Workers that died before this one."""
        return int(_CELL.unpack_from(self._memory)[2])


def hold_signals() -> None:
    """Block what httpd, terminals and init send, in the first statements of the program.

    httpd sends SIGTERM as little as 6 ms after exec; they are waited for by `supervise`, never handled midway.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # where it is inherited as ignored, a child's end cannot be waited for


def first_byte(source: int = 0) -> bool:
    """Wait until there is something to read; False at the input's end.

    httpd starts each logger twice and ends the first at once: before there is a line, nothing is made on disk.
    """
    poll = select.poll()
    poll.register(source, select.POLLIN)
    while True:
        events = poll.poll(1000)
        if events:
            return bool(events[0][1] & select.POLLIN)
        pending = signal.sigpending()
        if signal.SIGINT in pending and os.isatty(source):
            return False


def supervise(
    work: Callable[[Progress], int],
    *,
    fork: Callable[[], int] = os.fork,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Run `work` in a child until one ends with 0, which means that it saw the input's end and all is counted.

    Any other death starts the next at once; only a worker that had moved no bytes makes the next one wait, up to
    `MOST_DELAY`. Returns the exit code.
    """
    progress = Progress()
    idle_deaths = 0
    while True:
        pid = fork()
        if pid == 0:
            _be_worker(work, progress)
        status = _wait(pid)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return 0
        idle_deaths = 0 if progress.bytes else idle_deaths + 1
        if progress.ended and (code == CANNOT_BOOT or idle_deaths > TRIES_AFTER_END):
            return 1
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        say(f"the worker {how}; starting another", "cannot boot" if idle_deaths > 1 else "death")
        if idle_deaths > 1:
            sleep(min(MOST_DELAY, 0.05 * 2**idle_deaths))
        progress.restarted()


def _be_worker(work: Callable[[Progress], int], progress: Progress) -> None:
    code = 70
    try:
        code = work(progress)
    except BaseException as error:
        say(f"the worker failed: {type(error).__name__}: {error}", "worker")
    finally:
        os._exit(code)


def _wait(pid: int) -> int:
    """Until this child is dead: its wait status. TERM is passed on to it; the rest is for nobody."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == pid:
            return status
        number = signal.sigwait(SIGNALS)
        if number == signal.SIGTERM:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
