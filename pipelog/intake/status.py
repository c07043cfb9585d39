"""What the follower at work says of itself: a small file that anyone may read while it runs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipelog.intake.journal import FILE_MODE, Position


@dataclass(frozen=True)
class Status:
    """Written after each commit."""

    pid: int
    source: str
    time: float  #: of the last commit, seconds since the epoch
    position: Position  #: up to where the journal is counted
    healing: bool  #: whether a store that lost its memory is being filled again
    totals: dict[str, int]  #: lines, bad, too_long, unwritten, quarantined, over_caps since the journal began
    restarts: int = 0  #: workers that died under the supervisor of this one
    bad_places: list[str] = field(default_factory=list)  #: the first few bad lines: file, offset, reason


def write_status(state: Path, status: Status) -> None:
    """Replace the file, whole. A disk that refuses is no reason to stop counting."""
    temporary = state / f"status.{os.getpid()}.tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with open(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(asdict(status), file)
        os.replace(temporary, state / "status.json")
    except OSError:
        pass


def read_status(state: Path) -> Status | None:
    """The latest status; None where no follower has committed yet."""
    try:
        with open(state / "status.json", encoding="utf-8") as file:
            held = json.load(file)
        return Status(**{**held, "position": Position(*held["position"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def alive(pid: int) -> bool:
    """Whether there is such a process (of any user)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
