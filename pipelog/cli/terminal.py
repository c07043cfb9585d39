"""A terminal that a program has to itself for a while, and gets back as it was, however the program ends."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import TextIO

from rich.console import Console, RenderableType

from pipelog.errors import SettingsError

# Arrows, function keys, answers of the terminal (ECMA-48, 5.4, and SS3): none of them is a key of ours.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.S)


def console_of(out: TextIO) -> Console:
    """Where rich draws: nothing is taken for markup, emoji codes or numbers to be coloured."""
    return Console(file=out, markup=False, emoji=False, highlight=False, legacy_windows=False)


class Terminal:
    """The alternate screen without a cursor, keys one by one. A context manager; SIGTERM ends it like Ctrl-C."""

    def __init__(self) -> None:
        self._console = console_of(sys.stdout)
        if not sys.stdin.isatty() or not self._console.is_terminal or self._console.is_dumb_terminal:
            raise SettingsError("--live needs a terminal, with keys and a cursor; --once prints one frame without it")
        self._input = sys.stdin.fileno()
        self._open = ExitStack()

    def __enter__(self) -> Terminal:
        with ExitStack() as stack:
            stack.callback(termios.tcsetattr, self._input, termios.TCSADRAIN, termios.tcgetattr(self._input))
            self._wake, wake = os.pipe()
            stack.callback(os.close, self._wake)
            stack.callback(os.close, wake)
            for end in (self._wake, wake):
                os.set_blocking(end, False)
            stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(wake, warn_on_full_buffer=False))
            # A handler is what makes SIGWINCH write to the pipe. A stopped program would leave its screen behind.
            for number, handler in (
                (signal.SIGWINCH, _pass),
                (signal.SIGTERM, _end),
                (signal.SIGHUP, _end),
                (signal.SIGTSTP, signal.SIG_IGN),
            ):
                stack.callback(signal.signal, number, signal.signal(number, handler))
            stack.enter_context(self._console.screen(hide_cursor=True))
            tty.setcbreak(self._input, termios.TCSADRAIN)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def show(self, draw: Callable[[int, int], RenderableType]) -> None:
        """Draw over what is there; `draw` is told width and height."""
        width, height = (max(size, 1) for size in os.get_terminal_size(self._console.file.fileno()))
        options = self._console.options.update(width=width, height=height)
        self._console.update_screen(draw(width, height), options=options)

    def keys(self, patience: float) -> list[str]:
        """The keys pressed, after at most `patience` seconds; none when the window changed its size."""
        ready, _, _ = select.select([self._input, self._wake], [], [], max(patience, 0))
        if self._wake in ready:
            os.read(self._wake, 4_096)
        if self._input not in ready:
            return []
        held = os.read(self._input, 1_024)
        if not held:  # the terminal is gone
            return ["q"]
        return list(_SEQUENCE.sub("", held.decode("ascii", "ignore")))


def _pass(number: int, frame: FrameType | None) -> None:
    pass


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
