"""The journal: dated files that are the archive, the write-ahead log, the queue and the rollup's input in one.

This module knows which files there are and in which order (`Manifest`), and reads them (`JournalReader`).
`writer` appends to them.

    STATE/segments        one JSON object a line: the journal's id, then a line for each file in the order of writing
    STATE/journal/…       the files, named by a strftime template (or wherever --archive says)
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pipelog.errors import IntakeError
from pipelog.parsing.chunks import LineBuffer

DAY = timedelta(days=1)
ZONES = timedelta(hours=14)
"""No zone is farther from UTC, so a day's first line stands in no segment that was left so long before its begin."""
MOST_AHEAD = 64
"""Files that a reader opens before their turn; a process may have 1,024."""
FILE_MODE, FOLDER_MODE = 0o640, 0o750


class Segment(NamedTuple):
    """One file of the journal. Names may come again (a template of week days), so `number` tells them apart."""

    number: int  #: 1, 2, 3 … in the order of writing
    path: str
    start: int  #: offset of the journal's first byte in the file; what stands before is not ours
    time: float  #: when it was begun, seconds since the epoch


class Position(NamedTuple):
    """A place in the journal; positions compare in the order of writing."""

    segment: int
    offset: int


class Manifest:
    """Which segments there are. Written under the writer's lock only; read by anyone."""

    def __init__(self, state: Path) -> None:
        self.path = state / "segments"
        self.journal = ""
        self.segments: list[Segment] = []
        self._seen = (-1, -1, -1)

    def refresh(self) -> None:
        """Read again what has changed. An absent file is an empty journal."""
        try:
            info = os.stat(self.path)
        except FileNotFoundError:
            self.journal, self.segments, self._seen = "", [], (-1, -1, -1)
            return
        if (info.st_ino, info.st_size, info.st_mtime_ns) == self._seen:
            return
        with open(self.path, "rb") as file:
            info = os.fstat(file.fileno())
            content = file.read(info.st_size)
        self.segments = []
        # A line that a crash cut off stands for a file that was not begun.
        for line in content[: content.rfind(b"\n") + 1].splitlines():
            try:
                entry = json.loads(line)
                if "journal" in entry:
                    self.journal = entry["journal"]
                else:
                    self.segments.append(Segment(entry["n"], entry["path"], entry["start"], entry["time"]))
            except (ValueError, KeyError, TypeError) as error:
                raise IntakeError(
                    f"{self.path} is damaged: {error}; move the state folder away to begin anew"
                ) from error
        self._seen = (info.st_ino, info.st_size, info.st_mtime_ns)

    def begin(self, path: str, start: int, now: float) -> Segment:
        """Note a new segment, before its first byte is written. Under the writer's lock."""
        self.refresh()
        # The time as it is read again, so that this is the very segment that `current` gives from now on.
        segment = Segment(self.segments[-1].number + 1 if self.segments else 1, path, start, round(now, 3))
        written = _lines([segment], "" if self.journal else os.urandom(8).hex())
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                size = os.pread(fd, size, 0).rfind(b"\n") + 1
            if os.pwrite(fd, written, size) != len(written):
                os.ftruncate(fd, size)
                raise OSError(28, "no space left for", str(self.path))
        finally:
            os.close(fd)
        self.refresh()
        return segment

    def drop(self, numbers: set[int]) -> None:
        """Forget segments whose files are removed. Under the writer's lock."""
        self.refresh()
        kept = [s for s in self.segments if s.number not in numbers]
        temporary = self.path.with_name("segments.new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with open(fd, "wb") as file:
            file.write(_lines(kept, self.journal))
            file.flush()
            os.fsync(fd)
        os.replace(temporary, self.path)
        self.refresh()

    def current(self) -> Segment | None:
        """The segment that is written to."""
        return self.segments[-1] if self.segments else None

    def in_use(self) -> Iterator[tuple[Segment, float, float]]:
        """Each segment with the moments between which it was written to. Clocks step, and so its end may seem to be
        before its begin; the earlier one comes first."""
        ends = chain((segment.time for segment in self.segments[1:]), [math.inf])
        for segment, end in zip(self.segments, ends, strict=False):  # no segment, no end
            yield segment, min(segment.time, end), max(segment.time, end)

    def in_use_at(self, moment: float) -> Segment | None:
        """The segment that was written to at `moment`; the oldest there is when none is so old."""
        return next((segment for segment, _, end in self.in_use() if end > moment), None)


def _lines(segments: Iterable[Segment], journal: str) -> bytes:
    """Segments as the manifest's lines, that of the journal's id before them where it is given."""
    lines: list[dict[str, object]] = [{"journal": journal}] if journal else []
    lines += [{"n": s.number, "path": s.path, "start": s.start, "time": s.time} for s in segments]
    return "".join(json.dumps(line) + "\n" for line in lines).encode("ascii")


class JournalReader:
    """Reads whole lines from a position on, over the ends of segments. Made for one thread.

    A segment is left at its end only if a later one was there before that read: writers change the segment at a
    line's end and under the lock, so nothing can be added to the earlier one after that.
    """

    def __init__(self, manifest: Manifest, position: Position) -> None:
        self._manifest = manifest
        self._fd = -1
        self._ahead: dict[int, int] = {}  # segment -> its file, opened before its turn
        self._buffer = LineBuffer()
        self._segment: Segment | None = None
        self._read_to = position
        self.clamped = 0
        """Bytes by which the position stood behind the end of its file (power loss, copytruncate)."""

    @property
    def position(self) -> Position:
        """Up to where whole lines have been handed out."""
        return self._read_to._replace(offset=self._read_to.offset - self._buffer.held)

    def taken_too_long(self) -> int:
        """Lines over the longest that were left out since the last call."""
        number, self._buffer.too_long = self._buffer.too_long, 0
        return number

    @property
    def path(self) -> str:
        """The file of the position, for messages."""
        return self._segment.path if self._segment else ""

    def close(self) -> None:
        """Let go of the files."""
        self._leave()
        while self._ahead:
            os.close(self._ahead.popitem()[1])

    def read(self, size: int, until: Position | None = None) -> bytes:
        """Whole lines, at most about `size` bytes and not beyond `until`; b"" at the journal's end for now."""
        while True:
            self._manifest.refresh()
            if self._fd < 0 and not self._open():
                return b""
            self._hold_latest()
            later = self._next(self._read_to.segment)
            room = min(size, self._limit() - self._read_to.offset)
            if until is not None and until.segment == self._read_to.segment:
                room = min(room, until.offset - self._read_to.offset)
            elif until is not None and until.segment < self._read_to.segment:
                return b""
            piece = os.pread(self._fd, room, self._read_to.offset) if room > 0 else b""
            if piece:
                self._read_to = self._read_to._replace(offset=self._read_to.offset + len(piece))
                lines = self._buffer.feed(piece)
                if lines:
                    return lines
                continue
            if later is None or (until is not None and until.segment == self._read_to.segment):
                return b""
            rest = self._buffer.rest()
            self._leave()
            self._read_to = Position(later.number, later.start)
            if rest:
                return rest + b"\n"

    def _open(self) -> bool:
        segment = next((s for s in self._manifest.segments if s.number >= self._read_to.segment), None)
        if segment is None:
            return False
        if segment.number != self._read_to.segment:
            self._read_to = Position(segment.number, segment.start)
        try:
            self._fd = self._ahead.pop(segment.number, -1)
            if self._fd < 0:
                self._fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            later = self._next(segment.number)
            if later is None:
                return False  # noted, and not yet made
            self._read_to = Position(later.number, later.start)
            return self._open()
        self._segment = segment
        size = os.fstat(self._fd).st_size
        if self._read_to.offset > size:
            self.clamped += self._read_to.offset - size
            self._read_to = self._read_to._replace(offset=size)
        return True

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _hold_latest(self) -> None:
        """Open the file that is written to now: who is behind could find it removed when its turn comes.

        Only once there are lines in it. An empty one may be that of the next segment, in the place of a removed one:
        files are made before they are noted.
        """
        latest = self._manifest.current()
        if latest is None or latest.number <= self._read_to.segment or latest.number in self._ahead:
            return
        if len(self._ahead) < MOST_AHEAD:
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(latest.path, os.O_RDONLY | os.O_CLOEXEC)
                if os.fstat(fd).st_size > latest.start:
                    self._ahead[latest.number] = fd
                else:
                    os.close(fd)

    def _limit(self) -> int:
        """Where this segment ends in its file, if a later segment goes on in the same one."""
        assert self._segment is not None
        later = (s for s in self._manifest.segments if s.number > self._segment.number and s.path == self._segment.path)
        following = next(later, None)
        if following is None or not _is_at(self._fd, self._segment.path):
            return 1 << 62
        return following.start

    def _next(self, number: int) -> Segment | None:
        return next((s for s in self._manifest.segments if s.number > number), None)


def _is_at(fd: int, path: str) -> bool:
    """Whether this open file is the one that a path names now: it may have been removed or renamed."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def segment_name(template: str, moment: float) -> str:
    """The file that a strftime template names at a moment, in local time as httpd writes its stamps."""
    return os.path.abspath(time.strftime(template, time.localtime(moment)))


def template_root(template: str) -> Path:
    """The folder of a template that does not change with time."""
    fixed: list[str] = []
    for part in Path(os.path.abspath(template)).parent.parts:
        if "%" in part:
            break
        fixed.append(part)
    return Path(*fixed)


def files_of_days(state: Path, since: date, until: date) -> list[tuple[str, int, int | None]]:
    """The files (path, first byte, end) in which lines stamped `since` to `until` can stand, oldest first.

    A segment is named by the moment of writing: the lines of a day stand in those in use from its begin, in whatever
    zone, to a day after its end (late lines; a request that took longer is not waited for).
    """
    begin = datetime.combine(since, clock_time()) - ZONES
    end = datetime.combine(until, clock_time()) + 2 * DAY + ZONES
    manifest = Manifest(state)
    manifest.refresh()
    found = []
    for segment, first, last in manifest.in_use():
        if first >= end.timestamp() or last <= begin.timestamp() or not os.path.exists(segment.path):
            continue
        same = (s.start for s in manifest.segments if s.number > segment.number and s.path == segment.path)
        stop = next(same, None)
        if stop is None or stop > segment.start:  # else the file was removed, and came again
            found.append((segment.path, segment.start, stop))
    return found


def behind(state: Path, position: Position) -> int:
    """Bytes of the journal that stand after a position."""
    manifest = Manifest(state)
    manifest.refresh()
    left = 0
    for segment in manifest.segments:
        if segment.number >= position.segment and os.path.exists(segment.path):
            begin = position.offset if segment.number == position.segment else segment.start
            left += max(0, os.path.getsize(segment.path) - begin)
    return left
