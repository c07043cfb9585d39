"""The worker: its main thread moves the input into the journal, a second thread counts.

The main thread does nothing else, so that httpd never waits: not for a store, not for a parser, not for a full disk.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from typing import Protocol

from pipelog.intake.journal import Position
from pipelog.intake.messages import say
from pipelog.intake.writer import PIPE_SIZE, Turn, Writer
from pipelog.parsing.chunks import MAX_LINE

PAUSE = 0.02
"""Seconds between two turns while lines come: one wake-up for many lines. A turn after a sleep takes 160 µs of CPU, one
right after another 20 (measured). At 50 MB a second the pipe would be full; of a smaller pipe it is a smaller part."""
SHORT_PAUSE = 0.005
"""Seconds between two looks whether another pipe's half line is whole, and between two reads while the disk is full."""
RETRY = 1.0
"""Seconds between two tries of a disk that refuses."""
LOOK = 1.0
"""Seconds between two looks of an orphan for its successor."""
PIECE = 1 << 18


class Counter(Protocol):
    """What the main thread needs of the follower."""

    def hurry(self) -> None:
        """Commit now, and after every chunk from now on."""

    def count_directly(self, lines: bytes) -> None:
        """Count lines that could not be written to the journal."""

    def finish(self, end: Position) -> int:
        """Wait until the journal is counted up to `end`; the exit code."""


class Intake:
    """Moves standard input into the journal until its end.

    `moved(total)` is told the bytes moved so far, which lets the supervisor tell a worker that works from one that
    cannot; `ended()` that there will be no more. `parent` is the supervisor's pid.
    """

    def __init__(
        self,
        writer: Writer,
        counter: Counter,
        *,
        moved: Callable[[int], None] = lambda total: None,
        ended: Callable[[], None] = lambda: None,
        parent: int = 0,
        source: int = 0,
    ) -> None:
        self._writer = writer
        self._counter = counter
        self._moved = moved
        self._end = ended
        self._parent = parent
        self._source = source
        self._total = 0
        self._poll = select.poll()
        self._hangup = select.poll()
        self._poll.register(source, select.POLLIN)
        self._hangup.register(source, 0)
        self._next_look = 0.0
        self._carried = b""  # left the pipe while the disk was full; belongs into the file before anything else
        self._stop = False
        self._ended = False
        self._pause = PAUSE * min(1.0, writer.pipe_size / PIPE_SIZE)
        self._last_tries = 10

    def hurry(self) -> None:
        """No pauses from now on: where httpd is PID 1 of a container, everything is killed when it has ended, and what
        is in the pipe then is lost. May be called by a signal handler."""
        self._pause = 0.0

    def wake_by(self, descriptor: int) -> None:
        """End the pause under way as soon as this can be read; it is never read."""
        self._hangup.register(descriptor, select.POLLIN)

    def stop(self) -> None:
        """End at the next turn as if the input had ended (Ctrl-C on a terminal)."""
        self._stop = True

    def run(self) -> int:
        """Until the input's end, or a successor reads it; the exit code."""
        while not self._stop:
            try:
                turn = self._turn()
            except OSError as error:
                self._disk_refuses(error)
                if self._ended and not self._carried:
                    break
                continue
            if isinstance(turn, int):
                self._count_moved(turn)
                if turn < self._writer.pipe_size // 2:  # else who writes was faster than the pause, and may wait by now
                    self._hangup.poll(self._pause * 1000)
            elif turn is Turn.END:
                self._ended = True
                break
            elif turn is Turn.NO_PIPE:
                self._read_on()
                break
            elif turn is Turn.HALF:
                time.sleep(SHORT_PAUSE)
            elif self._orphaned() and self._writer.succeeded():
                say("another worker reads this pipe now; this one leaves")
                break
            else:
                self._poll.poll(LOOK * 1000)
        self._end()
        code = self._counter.finish(self._end_of_journal())
        if self._stop:
            say("interrupted; what was read is counted")
        return code

    def _end_of_journal(self) -> Position:
        try:
            if self._ended:
                self._writer.end_line()
        except OSError as error:
            say(f"journal: {error.strerror or error}: the last line has no end", "disk")
        try:
            return self._writer.end()
        except OSError as error:
            say(f"journal: {error.strerror or error}: what is in it is counted by the next logger", "disk")
            return Position(0, 0)

    def _turn(self) -> int | Turn:
        if self._carried:
            wrote = self._writer.append(self._carried)
            if isinstance(wrote, Turn):
                return wrote
            self._carried = self._carried[wrote:]
            if self._carried:
                raise OSError(28, "No space left on device")
        return self._writer.splice()

    def _count_moved(self, number: int) -> None:
        self._total += number
        self._moved(self._total)

    def _orphaned(self) -> bool:
        if os.getppid() == self._parent:
            return False
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK
        return True

    # -- a disk that refuses -------------------------------------------------------------------------------------

    def _disk_refuses(self, error: OSError) -> None:
        """The journal cannot be written: for a while read and count from memory, so that httpd never waits.

        A full disk left the bytes in the pipe (measured), so nothing is lost by having tried. If the file ends
        inside a line of ours, the rest of that line is kept to be written behind it; whole lines are counted.
        """
        say(f"journal: {error.strerror or error}: counting without it; such lines are not kept", "disk")
        rest, newline, partial = self._carried.partition(b"\n")
        half = self._half_line()
        if not half:
            rest, newline, partial = b"", b"\n", partial if newline else rest
        until = time.monotonic() + RETRY
        while not self._stop and (left := until - time.monotonic()) > 0:
            if self._ended or not self._poll.poll(left * 1000):
                time.sleep(max(0.0, left))
                break
            piece = os.read(self._source, PIECE)
            self._ended = not piece
            self._count_moved(len(piece))
            if not newline:
                head, newline, piece = piece.partition(b"\n")
                rest += head
            lines, full, partial = (partial + piece).rpartition(b"\n")
            if full:
                self._counter.count_directly(lines + full)
            partial = partial[: MAX_LINE + 1]
            time.sleep(SHORT_PAUSE)
        if self._ended and partial:
            self._counter.count_directly(partial + b"\n")
            partial = b""
        self._carried = (rest + newline if half else b"") + partial
        if self._ended:
            self._last_tries -= 1
            if not self._last_tries and self._carried:
                # The file's half line will be ended by whoever writes next, and be a bad line without its rest.
                if rest:
                    self._counter.count_directly(half + rest + b"\n")
                self._carried = b""

    def _half_line(self) -> bytes:
        try:
            return self._writer.half_line()
        except OSError:
            return b""

    # -- input that is no pipe -----------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """A file, a socket or a terminal: read, and append whole lines in one call."""
        pending, self._carried = self._carried, b""
        while not self._stop:
            if not self._poll.poll(LOOK * 1000):
                continue
            try:
                piece = os.read(self._source, PIECE)
            except BlockingIOError:
                continue
            if not piece:
                break
            lines, newline, pending = (pending + piece).rpartition(b"\n")
            pending = pending[: MAX_LINE + 1]
            if newline:
                self._append(lines + newline)
        if pending:
            self._append(pending + b"\n")

    def _append(self, lines: bytes) -> None:
        while lines:
            try:
                wrote = self._writer.append(lines)
            except OSError as error:
                # Whoever writes to a file or a socket can wait; httpd's pipe never comes this way.
                say(f"journal: {error.strerror or error}: waiting for it", "disk")
                time.sleep(RETRY)
                continue
            if isinstance(wrote, Turn):
                time.sleep(SHORT_PAUSE)
                continue
            lines = lines[wrote:]
            self._count_moved(wrote)


def handle_signals(intake: Intake, counter: Counter) -> None:
    """The worker's own: TERM hurries, the rest is ignored; INT ends the run where standard input is a terminal."""

    def hurry(number: int, frame: object) -> None:
        intake.hurry()
        counter.hurry()

    # A signal does not end a system call that Python makes (PEP 475), but what it writes here ends the pause.
    read, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    intake.wake_by(read)
    signal.signal(signal.SIGTERM, hurry)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    if os.isatty(0):
        signal.signal(signal.SIGINT, lambda number, frame: intake.stop())
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
