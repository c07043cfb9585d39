"""Removal of journal files that are wholly counted and older than they need to be."""

from __future__ import annotations

import contextlib
import fcntl
import os
from itertools import pairwise
from pathlib import Path

from pipelog.intake.journal import FILE_MODE, Manifest, Position


def remove_counted(state: Path, manifest: Manifest, counted: Position, *, older_than: float) -> list[str]:
    """Remove the files of segments that were left before `older_than` (seconds since the epoch) and are counted.

    Never the file in use, and never one that the follower has not passed. Returns the removed paths.
    """
    manifest.refresh()
    segments = manifest.segments
    done = {
        segment.number: segment.path
        for segment, following in pairwise(segments)
        if segment.number < counted.segment and following.time < older_than
    }
    if not done:
        return []
    still_used = {segment.path for segment in segments if segment.number not in done}
    removed = []
    lock = os.open(state / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest.drop(set(done))
    finally:
        os.close(lock)
    for path in dict.fromkeys(done.values()):
        if path not in still_used:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                removed.append(path)
    return removed
