"""From the pipe into the journal: bytes leave the one and enter the other in a single system call.

Several processes may do this at once, for several pipes or (after a kill) for the same one. One lock file stands
between them; under it nothing happens but naming the segment and the splice. Why each rule is there was measured:
without the lock writers overwrite each other; with read-then-write a kill -9 between the two loses lines; a segment
named before the lock loses and tears lines; another pipe's line behind half a line spoils both.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from pipelog.errors import IntakeError
from pipelog.intake.journal import (
    FILE_MODE,
    FOLDER_MODE,
    Manifest,
    Position,
    Segment,
    segment_name,
    template_root,
)
from pipelog.intake.messages import say

PIPE_SIZE = 1 << 20
"""Bytes asked of the kernel for the pipe: 6,146 lines of 168 bytes instead of 386 before httpd blocks."""
LET_GO = 2.0
"""Seconds that another pipe's half line is waited for."""
STEP = 60.0
"""Seconds; a clock so far behind the begin of the segment in use has been set back."""
_ALL = 1 << 30
_F_GETPIPE_SZ = getattr(fcntl, "F_GETPIPE_SZ", 1032)
_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", 1031)

_RECORD = struct.Struct("!4sQQQ")
_MAGIC = b"plw2"


class Record(NamedTuple):
    """What the lock file says of the last writer. Which segment it wrote to is the manifest's last line."""

    pipe: int = 0  #: inode of its pipe
    pid: int = 0
    born: int = 0  #: when it opened the journal (nanoseconds), to tell a later reader of one pipe from an earlier one


class Turn(Enum):
    """What a turn found, when it moved no bytes."""

    EMPTY = "nothing there now"
    END = "no writer is left"
    HALF = "another pipe's half line stands in the file"
    NO_PIPE = "standard input cannot be spliced"


class Writer:
    """Appends one input to the journal of a state folder. Opened after the fork; `source` is its descriptor."""

    def __init__(
        self, state: Path, template: str, *, symlink: str = "", source: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        self._state = state
        self._template = template
        self._symlink = symlink
        self._source = source
        self._clock = clock
        self._manifest = Manifest(state)
        self._lock_path = str(state / "writer.lock")
        self._lock = self._lock_inode = -1
        info = os.fstat(source)
        self._pipe = (info.st_dev << 40 ^ info.st_ino) & (1 << 63) - 1
        self._mine = Record(self._pipe, os.getpid(), time.time_ns())
        self._segment: Segment | None = None
        self._fd = -1
        self._named = (-1, "")
        self._half_since: float | None = None
        self._successor = 0
        with contextlib.suppress(OSError):  # not a pipe, or over the user's limit
            fcntl.fcntl(source, _F_SETPIPE_SZ, PIPE_SIZE)
        try:
            self.pipe_size = fcntl.fcntl(source, _F_GETPIPE_SZ)
        except OSError:
            self.pipe_size = 0

    def close(self) -> None:
        """Let go of the files."""
        for fd in (self._lock, self._fd):
            if fd >= 0:
                os.close(fd)
        self._lock = self._fd = -1

    # -- one turn ------------------------------------------------------------------------------------------------

    def splice(self) -> int | Turn:
        """Move what the pipe holds: the number of bytes, or why there were none. OSError where the disk refuses."""
        with self._locked() as record:
            if not self._may_write(record):
                return Turn.HALF
            end = self._settle(record)
            try:
                if not hasattr(os, "splice"):  # not Linux
                    return Turn.NO_PIPE
                moved = os.splice(self._source, self._fd, _ALL, offset_dst=end, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                return Turn.EMPTY
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return Turn.NO_PIPE
                raise
            return moved or Turn.END

    def append(self, lines: bytes) -> int | Turn:
        """Write bytes that were read: for input that cannot be spliced. Short when the disk is full."""
        with self._locked() as record:
            if not self._may_write(record):
                return Turn.HALF
            end = self._settle(record)
            return os.pwrite(self._fd, lines, end)

    def end_line(self) -> None:
        """At the input's end: a last line without newline gets one, so that it counts."""
        with self._locked() as record:
            if self._fd >= 0 and self._half() and record.pipe == self._pipe:
                os.pwrite(self._fd, b"\n", os.fstat(self._fd).st_size)

    def end(self) -> Position:
        """Up to where the journal's whole lines go now."""
        with self._locked():
            if self._segment is None:
                return Position(0, 0)
            return Position(self._segment.number, os.fstat(self._fd).st_size - len(self._tail()))

    def succeeded(self) -> bool:
        """Whether another, later process has been seen to read the same pipe, so that this one may go."""
        if not self._successor:
            return False
        try:
            os.kill(self._successor, 0)
        except OSError:
            self._successor = 0
        return bool(self._successor)

    def half_line(self) -> bytes:
        """What the file ends with, if that is the begin of a line of this input; else nothing."""
        with self._locked() as record:
            return self._tail() if self._fd >= 0 and record.pipe == self._pipe else b""

    # -- under the lock ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Record]:
        """The lock, and what it says of the last writer; in the segment in use.

        Few system calls: at each of them the counting thread may take the interpreter, and keep it for half a
        millisecond. Where nobody else has written since, nobody has changed the segment; once a second all the same.
        """
        self._take_lock()
        try:
            raw = os.pread(self._lock, _RECORD.size, 0)
            record = Record()
            if len(raw) == _RECORD.size and raw.startswith(_MAGIC):
                record = Record(*_RECORD.unpack(raw)[1:])
            if record != self._mine or int(self._clock()) != self._named[0]:
                if record.pipe == self._pipe and record.born > self._mine.born:
                    self._successor = record.pid
                self._manifest.refresh()
                if self._manifest.current() != self._segment:
                    self._enter(self._manifest.current())
            yield record
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _take_lock(self) -> None:
        """Lock the file that stands at the lock's path now: a state folder may be removed under way."""
        while True:
            if self._lock < 0:
                os.makedirs(self._state, FOLDER_MODE, exist_ok=True)
                self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
                self._lock_inode = os.fstat(self._lock).st_ino
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                if os.stat(self._lock_path).st_ino == self._lock_inode:
                    return
            except FileNotFoundError:
                pass
            os.close(self._lock)
            self._lock = -1

    def _enter(self, segment: Segment | None) -> None:
        """Go to the segment that another writer is at."""
        self._let_go()
        if segment is not None and os.path.exists(segment.path):
            self._fd = _open(segment.path)
            self._segment = segment

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._segment = -1, None

    def _half(self) -> bool:
        assert self._segment is not None
        size = os.fstat(self._fd).st_size
        return size > self._segment.start and os.pread(self._fd, 1, size - 1) != b"\n"

    def _tail(self) -> bytes:
        """What stands behind the file's last newline."""
        assert self._segment is not None
        size = os.fstat(self._fd).st_size
        tail, at = b"", size
        while at > self._segment.start and b"\n" not in tail:
            step = min(1 << 16, at - self._segment.start)
            at -= step
            tail = os.pread(self._fd, step, at) + tail
        return tail.rpartition(b"\n")[2]

    def _may_write(self, record: Record) -> bool:
        """Whether the file ends at a line's end, or inside a line of this input. Waited too long: end the line."""
        if self._fd < 0 or record.pipe == self._pipe or not self._half():
            self._half_since = None
            return True
        now = time.monotonic()
        if self._half_since is None:
            self._half_since = now
        if now - self._half_since < LET_GO:
            return False
        os.pwrite(self._fd, b"\n", os.fstat(self._fd).st_size)
        self._half_since = None
        return True

    def _settle(self, record: Record) -> int:
        """Note who writes, choose the segment (in this order: others look for a new one only where another has
        written), and return the offset to write at."""
        if record != self._mine:
            os.pwrite(self._lock, _RECORD.pack(_MAGIC, *self._mine), 0)
        now = self._clock()
        second, path = self._named
        moved = False
        if int(now) != second:
            path = segment_name(self._template, now)
            self._named = int(now), path
            moved = self._moved()
        if self._segment is not None and not moved:
            info = os.fstat(self._fd)
            if info.st_nlink and not (self._is_over(path, now) and not self._half()):
                return info.st_size
        self._begin(path, now)
        return os.fstat(self._fd).st_size

    def _is_over(self, path: str, now: float) -> bool:
        assert self._segment is not None
        return path != self._segment.path or now < self._segment.time - STEP

    def _moved(self) -> bool:
        """Whether the file in use is no longer the one at its path: looked at once a second."""
        if self._segment is None:
            return False
        try:
            return os.stat(self._segment.path).st_ino != os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return True

    def _begin(self, path: str, now: float) -> None:
        """Change to a new segment. What fails half-way is tried again at the next turn."""
        self._let_go()
        claim(template_root(self._template), self._manifest)
        os.makedirs(os.path.dirname(path), FOLDER_MODE, exist_ok=True)
        fd = _open(path)
        try:
            self._segment = self._manifest.begin(path, os.fstat(fd).st_size, now)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        if self._symlink:
            _link(path, self._symlink)


def _open(path: str) -> int:
    # Not O_APPEND: splice refuses such a file (EINVAL), and the lock keeps the offset right.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)


def _link(target: str, link: str) -> None:
    temporary = f"{link}.{os.getpid()}.tmp"
    try:
        os.symlink(target, temporary)
        os.replace(temporary, link)
    except OSError as error:
        say(f"symlink {link} cannot be set: {error.strerror}", "symlink")


def claim(root: Path, manifest: Manifest) -> None:
    """Mark a folder of journal files as this journal's. IntakeError when it is another state folder's.

    Two journals appending to the same files would each count the other's lines.
    """
    mark = root / ".pipelog-journal"
    owner = str(manifest.path.parent.resolve())
    try:
        held = mark.read_text("utf-8", "surrogateescape").strip()
    except FileNotFoundError:
        os.makedirs(root, FOLDER_MODE, exist_ok=True)
        try:
            fd = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except FileExistsError:
            return claim(root, manifest)
        with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(owner + "\n")
        return
    if held and held != owner:
        raise IntakeError(
            errno.EBUSY, f"{root} is the archive of the state folder {held}; give --archive or --state another folder"
        )
