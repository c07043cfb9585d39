"""A batch that kills its worker: found by its deaths, narrowed to one line, put aside.

Before lines are counted, a mark says which; after it, that they were survived. A worker that finds a mark of a dead one
goes through those lines one by one. A line that has killed three workers is written to a quarantine file and left out.
A kill -9 from outside can hardly hit the same line three times: a line is at work for microseconds.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from pipelog.intake.journal import FILE_MODE, FOLDER_MODE, Position

DEATHS = 3

_MARK = struct.Struct("!4s?B10Q")
_MAGIC = b"plf2"
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
        self.careful_until = _NOWHERE
        """Up to here lines are counted one by one."""
        raw = os.pread(fd, _MARK.size, 0)
        if len(raw) == _MARK.size and raw.startswith(_MAGIC):
            _, self._busy, self._deaths, *numbers = _MARK.unpack(raw)
            places = [Position(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
            self._at, self._suspect, self.careful_until = (places[0], places[1]), (places[2], places[3]), places[4]
        if self._busy:
            self._deaths = self._deaths + 1 if self._at == self._suspect else 1
            self._suspect, self._busy = self._at, False
            self.careful_until = max(self.careful_until, self._at[1])
            self._write()

    def begin(self, start: Position, end: Position) -> bool:
        """Mark the lines from `start` to `end` as being counted; False when they must not be: they killed thrice."""
        self._at = start, end
        if self._at == self._suspect and self._deaths >= DEATHS:
            return False
        self._busy = True
        self._write()
        return True

    def survived(self) -> None:
        """The marked lines are counted."""
        self._busy = False
        self._write()

    def quarantine(self, line: bytes) -> Path:
        """Put a line aside, in a file of its own. Its deaths are remembered: a store that is healed reads it again."""
        os.makedirs(self._folder, FOLDER_MODE, exist_ok=True)
        place = self._at[0]
        path = self._folder / f"{place.segment}-{place.offset}.log"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with open(fd, "wb") as file:
            file.write(line)
        return path

    def _write(self) -> None:
        places = (*self._at, *self._suspect, self.careful_until)
        numbers = [number for place in places for number in place]
        os.pwrite(self._fd, _MARK.pack(_MAGIC, self._busy, min(self._deaths, 255), *numbers), 0)
