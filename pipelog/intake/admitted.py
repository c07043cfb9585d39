"""The names that have a place under the caps, kept for the next worker.

Without it each worker that is started anew would admit as many names again, and the store would grow with the restarts.
A file a day, of hashes only; it is appended to before the counts of the names are committed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from pipelog.counting.caps import Place
from pipelog.intake.journal import FILE_MODE
from pipelog.intake.messages import say

_RECORD = struct.Struct("<QQI")


class Admitted:
    """The files `STATE/names-2026-11-22`, of the follower that is at work."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def load(self, day: date) -> Iterable[Place]:
        """What was admitted for a day; nothing where that cannot be read."""
        try:
            content = self._path(day).read_bytes()
        except OSError:
            return []
        return _RECORD.iter_unpack(content[: len(content) // _RECORD.size * _RECORD.size])

    def save(self, day: date, places: Iterable[Place]) -> None:
        """Add places. A disk that refuses costs no count: only that a later worker admits more."""
        try:
            fd = os.open(self._path(day), os.O_RDWR | os.O_CREAT, FILE_MODE)
            with open(fd, "r+b") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(end - end % _RECORD.size)  # over what a killed worker has left of a record
                file.write(b"".join(_RECORD.pack(*place) for place in places))
                file.truncate()
        except OSError as error:
            say(f"{self._path(day)}: {error.strerror}: a worker started anew would admit more names", "names")

    def forget_before(self, day: date) -> None:
        """Remove the files of earlier days."""
        for path in self._state.glob("names-*"):
            if path.name < self._path(day).name:
                path.unlink(missing_ok=True)

    def _path(self, day: date) -> Path:
        return self._state / f"names-{day}"
