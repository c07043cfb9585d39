"""The whole intake, put together: what the worker of `python -m pipelog` does."""

from __future__ import annotations

import gc
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipelog.errors import IntakeError
from pipelog.intake.filesystems import is_read_only, network_type
from pipelog.intake.follower import Follower
from pipelog.intake.journal import FOLDER_MODE
from pipelog.intake.messages import say
from pipelog.intake.plan import Plan
from pipelog.intake.privileges import become, identity
from pipelog.intake.readers import Readers
from pipelog.intake.supervisor import Progress
from pipelog.intake.worker import Intake, handle_signals
from pipelog.intake.writer import Writer

PATIENCE = 2.0
"""Seconds that a state folder may belong to another: httpd starts the loggers of several virtual hosts at once."""


def work(plan: Plan, progress: Progress, *, user: str = "", group: str = "") -> int:
    """The supervisor's child: read standard input to its end; the exit code. Signals must be held."""
    if not progress.begun:  # a worker after another has what that one left in the journal to count
        if not first_byte():
            return 0
        progress.begin()
    try:
        prepare_state(plan.state, user, group, before=progress.become)
    except OSError as error:
        return throw_away(error)
    if kind := network_type(plan.state):
        say(f"{plan.state} is on a network file system ({kind}); use a local disk: locks and speed")
    writer = Writer(plan.state, plan.archive, symlink=plan.symlink, clock=plan.clock)
    readers = Readers(plan.state)

    def ended() -> None:
        progress.end()
        readers.leave()

    follower = Follower(plan._replace(restarts=progress.restarts), others=readers.others)
    intake = Intake(writer, follower, moved=progress.moved, ended=ended, parent=progress.supervisor)
    # With the default of 5 ms the counting thread keeps the main thread from the pipe at each of its system calls.
    sys.setswitchinterval(0.0005)
    # Counting makes names, and no cycles: looking for them after each 700 took a fifth of its time.
    gc.set_threshold(50_000, 20, 100)
    handle_signals(intake, follower)
    follower.start()  # while signals are held, so that they interrupt the main thread and no other
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return intake.run()


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


def throw_away(error: Exception, source: int = 0) -> int:
    """Say why nothing can be kept, and read a pipe to its end all the same; the exit code.

    httpd starts a dead logger again, but this one would not read: after 574 requests the site stood still (measured).
    """
    lost = "; until then log lines are thrown away, so that httpd does not wait" if _is_pipe(source) else ""
    say(f"{error}{lost}")
    drain(source)
    return 1


def drain(source: int = 0) -> None:
    """Read to the input's end if it is a pipe, and keep nothing."""
    while _is_pipe(source) and os.read(source, 1 << 20):
        pass


def _is_pipe(source: int) -> bool:
    return stat.S_ISFIFO(os.fstat(source).st_mode)


def prepare_state(
    state: Path, user: str = "", group: str = "", *, before: Callable[[int, int], None] = lambda uid, gid: None
) -> None:
    """Make the state folder, and become `user` and `group` where they are given (root only), after telling `before`."""
    os.umask(0o027)
    ids = identity(user, group)
    if not state.exists():
        try:
            for folder in reversed([path for path in (state, *state.parents) if not path.exists()]):
                folder.mkdir(FOLDER_MODE, exist_ok=True)
                if ids:
                    os.chown(folder, *ids, follow_symlinks=False)
        except OSError as error:
            raise IntakeError(error.errno, f"{state} cannot be made: {error.strerror}; give --state another") from error
    if ids:
        before(*ids)
        become(*ids)
    info = os.stat(state)
    if not stat.S_ISDIR(info.st_mode):
        raise IntakeError(f"{state} is no folder; give --state another")
    if info.st_mode & stat.S_IWOTH:
        raise IntakeError(f"{state} may be written by anyone; take that right away (chmod o-w) or give --state another")
    until = time.monotonic() + PATIENCE
    while not os.access(state, os.W_OK | os.X_OK) and time.monotonic() < until and ids:
        time.sleep(0.05)  # another logger has just made it, and is about to give it away
    if is_read_only(state):
        raise IntakeError(f"{state} is on a read-only file system; give --state another")
    if not os.access(state, os.W_OK | os.X_OK):
        raise IntakeError(f"{state} cannot be written by this user; give --state another, or the user the folder")
