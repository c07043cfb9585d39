"""The supervisor: keeps a worker at the pipe, whatever happens to workers.

It holds standard input open and never reads it, so that what a dead worker left in the pipe reaches the next one. It
stays small: it forks at once, and everything else (settings, state folder, counting) is its child's.
"""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Callable

from pipelog.errors import IntakeError
from pipelog.intake.messages import say

SIGNALS = frozenset((signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD))
MOST_DELAY = 1.0
"""Seconds; how long a worker that moves nothing is left dead at the most."""
BECOME = signal.SIGUSR1
"""A worker's word that it is about to give up its rights, and that the supervisor is to do so too."""
CANNOT_BOOT = 78  # EX_CONFIG of sysexits.h
TRIES_AFTER_END = 5
"""Workers that may die, one after the other and moving nothing, when the input has ended."""
FINAL = (0, 1, 2)
"""Codes after which no worker is started: all is counted, or the worker has said why it cannot run (1; 2: the usage)
and has read a pipe to its end, as the next would do."""

_BYTES, _BEGUN, _ENDED, _RESTARTS, _UID, _GID = range(6)


class Progress:
    """Shared memory of supervisor and workers: what a worker that dies leaves to the next one."""

    def __init__(self) -> None:
        self.supervisor = os.getpid()
        self._cells = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        self._cells[_UID] = self._cells[_GID] = -1

    def restarted(self) -> None:
        """A worker has died, and the next one comes."""
        self._cells[_BYTES] = 0
        self._cells[_RESTARTS] += 1

    def begin(self) -> None:
        """There is a first byte."""
        self._cells[_BEGUN] = True

    def moved(self, total: int) -> None:
        """The worker has moved so many bytes."""
        self._cells[_BYTES] = total

    def end(self) -> None:
        """The worker has seen the input's end."""
        self._cells[_ENDED] = True

    def become(self, uid: int, gid: int) -> None:
        """The supervisor is to be this user, as the worker is about to."""
        self._cells[_UID], self._cells[_GID] = uid, gid
        if os.getppid() == self.supervisor:
            os.kill(self.supervisor, BECOME)

    @property
    def bytes(self) -> int:
        """Moved by the latest worker."""
        return self._cells[_BYTES]

    @property
    def begun(self) -> bool:
        """Whether any worker has seen a first byte."""
        return bool(self._cells[_BEGUN])

    @property
    def ended(self) -> bool:
        """Whether any worker has seen the input's end."""
        return bool(self._cells[_ENDED])

    @property
    def restarts(self) -> int:
        """Workers that died before this one."""
        return self._cells[_RESTARTS]

    @property
    def identity(self) -> tuple[int, int]:
        """uid and gid to be had; -1 for as it is."""
        return self._cells[_UID], self._cells[_GID]


def hold_signals() -> None:
    """Block what httpd, terminals and init send, in the first statements of the program.

    httpd sends SIGTERM as little as 6 ms after exec; they are waited for by `supervise`, never handled midway.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    # Where it is inherited as ignored, a child's end cannot be waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def open_standard_descriptors() -> None:
    """Put /dev/null where 0, 1 or 2 is closed: else a file of ours could become 2, and messages be written into it."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def supervise(
    work: Callable[[Progress], int],
    *,
    fork: Callable[[], int] = os.fork,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Run `work` in a child until one ends with a code of `FINAL`, and return that code.

    Any other death starts the next at once; only a worker that had moved no bytes makes the next one wait, up to
    `MOST_DELAY`. 1 where the input has ended and workers cannot count what there is.
    """
    progress = Progress()
    idle_deaths = 0
    while True:
        pid = fork()
        if pid == 0:
            _be_worker(work, progress)
        status = _wait(pid, progress)
        code = os.waitstatus_to_exitcode(status)
        if code in FINAL:
            return code
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


def _wait(pid: int, progress: Progress) -> int:
    """Until this child is dead: its wait status. TERM is passed on to it, USR1 may be its own word."""
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
        elif number == BECOME and progress.identity != (-1, -1):
            from pipelog.intake.privileges import become

            try:
                become(*progress.identity)
            except IntakeError:
                pass  # the worker, with the same rights, fails in the same way, says so, and refuses to run
