"""Counting a journal to its end without an input: for a state folder that no worker is at."""

from __future__ import annotations

import fcntl
import os

from pipelog.intake.counting import JournalCounter
from pipelog.intake.journal import FILE_MODE
from pipelog.intake.plan import Plan


def recount(plan: Plan) -> bool:
    """Count what is not counted yet, heal what the store has lost. False when a worker is there that does it.

    Errors of the store come through; what was not counted then is counted by the next worker.
    """
    lock = os.open(plan.state / "follower.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        counter = JournalCounter(plan)
        if not counter.lead(lock):
            return True
        counter.commit()
        while not counter.count(float("inf")) or counter.uncommitted:
            counter.commit()
        return True
    finally:
        os.close(lock)
