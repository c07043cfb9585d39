"""The intake's own words: one line each on standard error, which is httpd's error log."""

from __future__ import annotations

import os
import time

from pipelog.printable import printable

EVERY = 60.0
"""Seconds between two messages of one kind."""

_last: dict[str, float] = {}


def say(text: str, kind: str = "") -> None:
    """Write one line. Of a `kind` at most one a minute; what a stranger may have put into it is made harmless."""
    if kind:
        now = time.monotonic()
        if now - _last.get(kind, -EVERY) < EVERY:
            return
        _last[kind] = now
    try:
        os.write(2, f"pipelog[{os.getpid()}]: {printable(text)}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # an error log that cannot be written must not stop the counting
