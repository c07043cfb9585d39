"""Removal of journal files that are wholly counted and older than they need to be."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipelog.intake.journal import FILE_MODE, Manifest, Position
from pipelog.intake.messages import say

STEP = 60.0
"""Seconds by which the wall clock may go faster or slower than the machine's uptime between two looks."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def uptime() -> float:
    """Seconds since the machine was started, by a clock that nobody sets."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class _Look(NamedTuple):
    """What the clocks told, and until when (uptime) ages cannot be told."""

    boot: str
    wall: float
    uptime: float
    wait: float = 0.0


class Retention:
    """Removes files that are counted and were left `keep` seconds ago.

    The age is told by the wall clock. When it has jumped, every file may seem old, those too that the rollup has not
    read yet: then nothing is removed until `keep` seconds have passed by the machine's uptime. What the clocks told
    stands in STATE/clock, so that a jump between two workers is seen, too.
    """

    def __init__(
        self, state: Path, keep: float, clock: Callable[[], float], *, uptime: Callable[[], float] = uptime
    ) -> None:
        self._state = state
        self._keep = keep
        self._clock = clock
        self._uptime = uptime

    def tidy(self, manifest: Manifest, counted: Position) -> list[str]:
        """Remove what may go; the paths. `counted`: up to where the follower is."""
        now = self._look()
        if now.uptime < now.wait:
            return []
        return remove_counted(self._state, manifest, counted, older_than=now.wall - self._keep)

    def _look(self) -> _Look:
        path = self._state / "clock"
        now = _Look(_boot(), self._clock(), self._uptime())
        with contextlib.suppress(OSError, ValueError, TypeError):
            before = _Look(*json.loads(path.read_bytes()))
            same = before.boot == now.boot and before.uptime <= now.uptime
            # Since another boot at least the uptime has passed; how long the machine was off, nobody knows.
            jump = now.wall - before.wall - (now.uptime - before.uptime if same else now.uptime)
            jumped = not -STEP < jump < (STEP if same else self._keep)
            if jumped:
                say(f"the clock has jumped by {jump:+,.0f} s: counted journal files stay {self._keep:,.0f} s longer")
            if jumped or (before.wait and not same):
                now = now._replace(wait=now.uptime + self._keep)
            else:
                now = now._replace(wait=before.wait)
        temporary = path.with_name("clock.new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with open(fd, "w", encoding="ascii") as file:
            json.dump(now, file)
        os.replace(temporary, path)
        return now


def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def remove_counted(state: Path, manifest: Manifest, counted: Position, *, older_than: float) -> list[str]:
    """Remove the files of segments that were left before `older_than` (seconds since the epoch) and are counted.

    Never the file in use, and never one that the follower has not passed. Returns the removed paths.
    """
    manifest.refresh()
    if not _done(manifest, counted, older_than):
        return []
    removed = []
    with contextlib.ExitStack() as stack:
        lock = os.open(state / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        stack.callback(os.close, lock)
        # Held open until the lock is free, since it is the end of the last use that takes long with a large file.
        for path in _done(manifest, counted, older_than).values():
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(open(path, "rb"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest.refresh()
        done = _done(manifest, counted, older_than)
        still_used = {segment.path for segment in manifest.segments if segment.number not in done}
        for path in dict.fromkeys(done.values()):
            if path not in still_used:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                    removed.append(path)
        manifest.drop(set(done))  # last: a removal that was killed is done again
        fcntl.flock(lock, fcntl.LOCK_UN)
    return removed


def _done(manifest: Manifest, counted: Position, older_than: float) -> dict[int, str]:
    return {
        segment.number: segment.path
        for segment, _, left in manifest.in_use()
        if segment.number < counted.segment and left < older_than
    }
