"""The whole intake, put together: what `python -m pipelog` does as httpd's logger."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from pathlib import Path

from pipelog.errors import IntakeError
from pipelog.intake.follower import Follower
from pipelog.intake.journal import FOLDER_MODE
from pipelog.intake.messages import say
from pipelog.intake.plan import Plan
from pipelog.intake.supervisor import Progress, first_byte, supervise
from pipelog.intake.worker import Intake, handle_signals
from pipelog.intake.writer import Writer

PATIENCE = 2.0
"""Seconds that a state folder may belong to another: httpd starts the loggers of several virtual hosts at once."""


def run(plan: Plan, *, user: str = "", group: str = "") -> int:
    """Read standard input to its end; the exit code. Signals must be held already (`supervisor.hold_signals`)."""
    open_standard_descriptors()
    if not first_byte():
        return 0
    try:
        prepare_state(plan.state, user, group)
    except OSError as error:
        return throw_away(error)
    parent = os.getpid()
    return supervise(lambda progress: _work(plan, progress, parent))


def throw_away(error: Exception, source: int = 0) -> int:
    """Say why nothing can be kept, and read a pipe to its end all the same; the exit code. Else the error is raised.

    httpd starts a dead logger again, but this one would not read: after 574 requests the site stood still (measured).
    """
    if not _is_pipe(source):
        raise error
    say(f"{error}; until then log lines are thrown away, so that httpd does not wait")
    drain(source)
    return 1


def drain(source: int = 0) -> None:
    """Read to the input's end if it is a pipe, and keep nothing."""
    while _is_pipe(source) and os.read(source, 1 << 20):
        pass


def _is_pipe(source: int) -> bool:
    return stat.S_ISFIFO(os.fstat(source).st_mode)


def _work(plan: Plan, progress: Progress, parent: int) -> int:
    writer = Writer(plan.state, plan.archive, symlink=plan.symlink, clock=plan.clock)
    follower = Follower(plan._replace(restarts=progress.restarts))
    intake = Intake(writer, follower, moved=progress.moved, ended=progress.end, parent=parent)
    # With the default of 5 ms the counting thread keeps the main thread from the pipe at each of its system calls.
    sys.setswitchinterval(0.0005)
    handle_signals(intake, follower)
    follower.start()  # while signals are held, so that they interrupt the main thread and no other
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return intake.run()


def open_standard_descriptors() -> None:
    """Put /dev/null where 0, 1 or 2 is closed: else a file of ours could become 2, and messages be written into it."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def prepare_state(state: Path, user: str = "", group: str = "") -> None:
    """Make the state folder, and become `user` and `group` where they are given (root only)."""
    os.umask(0o027)
    ids = _ids(user, group)
    if not state.exists():
        try:
            for folder in reversed([path for path in (state, *state.parents) if not path.exists()]):
                folder.mkdir(FOLDER_MODE, exist_ok=True)
                if ids:
                    os.chown(folder, *ids, follow_symlinks=False)
        except OSError as error:
            raise IntakeError(error.errno, f"{state} cannot be made: {error.strerror}; give --state another") from error
    if ids:
        _become(user, *ids)
    info = os.stat(state)
    if not stat.S_ISDIR(info.st_mode):
        raise IntakeError(f"{state} is no folder; give --state another")
    if info.st_mode & stat.S_IWOTH:
        raise IntakeError(f"{state} may be written by anyone; take that right away (chmod o-w) or give --state another")
    until = time.monotonic() + PATIENCE
    while not os.access(state, os.W_OK | os.X_OK) and time.monotonic() < until and ids:
        time.sleep(0.05)  # another logger has just made it, and is about to give it away
    if not os.access(state, os.W_OK | os.X_OK):
        raise IntakeError(f"{state} cannot be written by this user; give --state another, or the user the folder")


def _ids(user: str, group: str) -> tuple[int, int] | None:
    if not user and not group:
        return None
    import grp
    import pwd

    try:
        account = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user) if user else None
        uid = account.pw_uid if account else os.getuid()
        gid = account.pw_gid if account else os.getgid()
        if group:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise IntakeError(f"there is no such user or group: {error.args[0]}") from error
    return uid, gid


def _become(user: str, uid: int, gid: int) -> None:
    if (os.getuid(), os.getgid()) == (uid, gid):
        return
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError as error:
        raise IntakeError(f"only root can become {user or uid}; leave --user and --group out") from error
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or os.getgroups() not in ([], [gid]):
        raise IntakeError(f"the rights of the user who started this could not be given up for {user or uid}")
