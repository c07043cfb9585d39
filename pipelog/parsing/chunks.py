"""From pieces of a byte stream to chunks of whole lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

MAX_LINE = 128 * 1024
"""Bytes. httpd's longest at default limits is 98,080; a longer line is cut out and counted."""


class LineBuffer:
    """Turns pieces as they are read into whole lines, without ever looking at a byte twice for a newline.

    `held` is how many bytes of an unfinished line have been taken so far: what was read less `held` is done with.
    `too_long` counts lines over `MAX_LINE`, which are cut out; with `numbered` each leaves an empty line, so that the
    lines can be numbered.
    """

    def __init__(self, *, numbered: bool = False) -> None:
        self._left = int(numbered)  # bytes of a cut line, from its end
        self._parts: list[bytes] = []
        self.held = 0
        self.too_long = 0

    def feed(self, piece: bytes) -> bytes:
        """The whole lines that this piece completes, in order, newlines included; b"" when there is none."""
        end = piece.rfind(b"\n") + 1
        if not end:
            self._hold(piece)
            return b""
        first = piece.find(b"\n") + 1
        if self.held + first > MAX_LINE + 1:
            self.too_long += 1
            lines = piece[first - self._left : end]
        else:
            self._parts.append(piece[:end])
            lines = b"".join(self._parts)
        self._parts.clear()
        self.held = 0
        if end < len(piece):
            self._hold(piece[end:])
        if len(lines) > MAX_LINE:
            lines = self._cut(lines)
        return lines

    def rest(self) -> bytes:
        """What stands after the last newline at the end of the stream, as a line; then the buffer is empty."""
        line = b"".join(self._parts)
        if self.held > MAX_LINE:
            self.too_long += 1
            line = b""
        self._parts.clear()
        self.held = 0
        return line

    def _hold(self, part: bytes) -> None:
        self.held += len(part)
        if self.held <= MAX_LINE:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _cut(self, lines: bytes) -> bytes:
        """`lines` without those over `MAX_LINE`. Looks from line to line in steps as long as a line may be."""
        kept, begin, start = [], 0, 0
        while len(lines) - start > MAX_LINE:
            end = lines.rfind(b"\n", start, start + MAX_LINE + 1)
            if end < 0:
                self.too_long += 1
                end = lines.index(b"\n", start)
                kept.append(lines[begin:start])
                begin = end + 1 - self._left
            start = end + 1
        return b"".join((*kept, lines[begin:])) if kept else lines


def whole_lines(read: Callable[[int], bytes], buffer: LineBuffer, size: int = 1 << 20) -> Iterator[bytes]:
    """Chunks of whole lines of a stream to its end; the last may lack its newline."""
    while piece := read(size):
        lines = buffer.feed(piece)
        if lines:
            yield lines
    rest = buffer.rest()
    if rest:
        yield rest
