"""Parts of log files: what one task of a rollup counts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from pipelog.parsing.logfiles import faults_of, is_packed

_PIECE = 1 << 16


class LogPart(NamedTuple):
    """A file, or the bytes of it from `start` to `end` (both at a line's begin). Offsets are of plain files only."""

    path: str
    start: int = 0
    end: int | None = None


def size_of(part: LogPart) -> int:
    """Bytes of a part, on disk."""
    with faults_of(part.path):
        end = os.path.getsize(part.path) if part.end is None else part.end
    return max(0, end - part.start)


def divided(parts: Iterable[LogPart], size: int) -> Iterator[LogPart]:
    """The same bytes in parts of about `size` bytes, cut behind a line's end. Compressed files stay whole.

    The last part of a file that has no end stays open: a log in use is read to where its end is by then.
    """
    for part in parts:
        pieces = size_of(part) // size
        if pieces < 2 or is_packed(part.path):
            yield part
            continue
        start, step = part.start, size_of(part) // pieces
        with faults_of(part.path), open(part.path, "rb") as file:
            for number in range(1, pieces):
                cut = _line_end(file, part.start + number * step)
                if start < cut and (part.end is None or cut < part.end):
                    yield LogPart(part.path, start, cut)
                    start = cut
        yield LogPart(part.path, start, part.end)


def _line_end(file: IO[bytes], place: int) -> int:
    """The byte behind the first newline from `place` on; 0 where none comes (yet: half a line is no part)."""
    file.seek(place)
    while piece := file.read(_PIECE):
        newline = piece.find(b"\n")
        if newline >= 0:
            return place + newline + 1
        place += len(piece)
    return 0


def lines_before(part: LogPart) -> int:
    """How many lines of the file stand before a part."""
    lines, left = 0, part.start
    if left:
        with open(part.path, "rb") as file:
            while piece := file.read(min(left, _PIECE)):
                lines += piece.count(b"\n")
                left -= len(piece)
    return lines
