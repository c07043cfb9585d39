"""Removal of journal files that are wholly counted and older than they need to be."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from pipelog.intake.journal import FILE_MODE, Manifest, Position


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
