"""A batch that kills its worker: found by its deaths, narrowed to one line, put aside.

Before lines are counted, a mark says which; after it, that they were survived. A worker that finds a mark of a dead one
goes through those lines one by one. A line that has killed three workers is written to a quarantine file and left out.
A kill -9 from outside can hardly hit the same line three times: a line is at work for microseconds.

    STATE/quarantine/1-170-310.log      the line from 170 to 310 of the journal's first segment
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

from pipelog.intake.journal import FILE_MODE, FOLDER_MODE, Position

DEATHS = 3

_MARK = struct.Struct("!4s?B12Q")
_MAGIC = b"plf3"
_NOWHERE = Position(0, 0)

Range = tuple[Position, Position]


class Suspicion:
    """Kept in the follower's lock file `fd`, so that it outlives a kill."""

    def __init__(self, fd: int, state: Path) -> None:
        self._fd = fd
        self._folder = state / "quarantine"
        self._busy = False
        self._deaths = 0  # of workers that were at the suspect
        self._at: Range = (_NOWHERE, _NOWHERE)
        self._suspect: Range = (_NOWHERE, _NOWHERE)
        self._careful: Range = (_NOWHERE, _NOWHERE)
        raw = os.pread(fd, _MARK.size, 0)
        if len(raw) == _MARK.size and raw.startswith(_MAGIC):
            _, self._busy, self._deaths, *numbers = _MARK.unpack(raw)
            places = [Position(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
            self._at, self._suspect = (places[0], places[1]), (places[2], places[3])
            self._careful = places[4], places[5]
        if self._busy:
            self._deaths = self._deaths + 1 if self._at == self._suspect else 1
            self._suspect, self._busy = self._at, False
            if not self.careful(*self._at):
                self._careful = self._at
            self._write()

    def careful(self, start: Position, end: Position) -> bool:
        """Whether these lines are to be counted one by one."""
        return start < self._careful[1] and end > self._careful[0]

    def begin(self, start: Position, end: Position) -> bool:
        """Mark the lines from `start` to `end` as being counted; False when they must not be: they killed thrice."""
        self._at = start, end
        # Those put aside are known by their files: between two commits there may be several, and each restart reads
        # all of them again. A file that was moved away sets its line free.
        if self._file.exists() or (self._at == self._suspect and self._deaths >= DEATHS):
            return False
        self._busy = True
        self._write()
        return True

    def survived(self) -> None:
        """The marked lines are counted."""
        self._busy = False
        self._write()

    def quarantine(self, line: bytes) -> Path:
        """Put a line aside, in a file of its own, by which it is known when it is read again."""
        os.makedirs(self._folder, FOLDER_MODE, exist_ok=True)
        path = self._file
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with open(fd, "wb") as file:
            file.write(line)
        if self._at == self._suspect:
            self._suspect, self._deaths = (_NOWHERE, _NOWHERE), 0
        return path

    @property
    def _file(self) -> Path:
        start, end = self._at
        return self._folder / f"{start.segment}-{start.offset}-{end.offset}.log"

    def _write(self) -> None:
        places = (*self._at, *self._suspect, *self._careful)
        numbers = [number for place in places for number in place]
        with contextlib.suppress(OSError):  # a full disk is no reason to stop counting
            os.pwrite(self._fd, _MARK.pack(_MAGIC, self._busy, min(self._deaths, 255), *numbers), 0)
