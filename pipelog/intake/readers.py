"""Who reads an input of this journal: whether a worker whose own has ended may leave what is left to another one.

Each worker holds a shared lock for as long as its input is open, and lets go of it before it looks how far the journal
goes. So one that still holds it will look later, see all lines of those before it, and not leave until they are counted
or somebody else holds the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
from pathlib import Path

from pipelog.intake.journal import FILE_MODE

# fcntl(2), "struct flock" of Linux with offsets of 64 bits: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")


class Readers:
    """A lock of POSIX, not of flock(2): it alone can be asked about without being taken for a moment, which another
    asker would see. Such a lock is gone when any descriptor of the file is closed, so a process opens it once."""

    def __init__(self, state: Path) -> None:
        self._fd = -1
        with contextlib.suppress(OSError):  # without it one waits for the store, and that is all
            self._fd = os.open(state / "readers.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            fcntl.lockf(self._fd, fcntl.LOCK_SH)

    def leave(self) -> None:
        """The input has ended."""
        if self._fd >= 0:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def others(self) -> bool:
        """Whether another worker of this journal has an open input. Where it cannot be asked: False."""
        if self._fd < 0 or sys.platform != "linux" or sys.maxsize < 1 << 32:
            return False
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind: int = _FLOCK.unpack(fcntl.fcntl(self._fd, fcntl.F_GETLK, asked))[0]
        return kind != fcntl.F_UNLCK
