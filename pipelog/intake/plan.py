"""What an intake needs to know; made from the settings by whoever starts it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipelog.backends.base import CounterBackend
from pipelog.counting.rules import Rules


class Plan(NamedTuple):
    """The settings of one intake."""

    state: Path
    archive: str  #: strftime template of the journal's files
    format: str
    rules: Rules
    source: str
    prefix: str
    backend: Callable[[], CounterBackend]  #: called in the worker, after the fork
    symlink: str = ""
    flush: float = 0.5  #: seconds between two commits
    keep: float = 0.0  #: seconds that counted files are kept; 0 = for ever
    restarts: int = 0  #: workers that died before this one
    clock: Callable[[], float] = time.time
