"""What the tests of the intake share: log lines, a journal fed through a real pipe, a counter driven step by step."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelog.backends.base import CounterBackend, Listing
from pipelog.backends.keys import Keys
from pipelog.backends.memory import MemoryBackend
from pipelog.counting.rules import Rules
from pipelog.intake.counting import JournalCounter
from pipelog.intake.plan import Plan
from pipelog.intake.writer import Turn, Writer

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
NOON = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, -1))


def line(page: str, moment: float = NOON, status: int = 200) -> bytes:
    """A combined line, as httpd writes one for a person's view."""
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.localtime(moment))
    return f'192.0.2.1 - - [{stamp}] "GET {page} HTTP/1.1" {status} 512 "-" "{BROWSER}"\n'.encode()


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Pipe:
    """A real pipe with a writer of the journal at its end."""

    def __init__(self, state: Path, template: str, clock: Callable[[], float], *, symlink: str = "") -> None:
        self.source, self.sink = os.pipe()
        self.writer = Writer(state, template, source=self.source, clock=clock, symlink=symlink)

    def send(self, content: bytes) -> int | Turn:
        """Write into the pipe, and let the writer have one turn."""
        os.write(self.sink, content)
        return self.writer.splice()

    def close(self) -> None:
        """End the input."""
        os.close(self.sink)
        self.writer.close()
        os.close(self.source)


def plan(state: Path, backend: CounterBackend, clock: Callable[[], float], **changes: object) -> Plan:
    """The plan of a journal in `state`."""
    made = Plan(
        state=state,
        archive=str(state / "journal" / "%Y-%m-%d.log"),
        format="combined",
        rules=Rules(),
        source="host",
        prefix="pipelog",
        backend=lambda: backend,
        clock=clock,
    )
    return made._replace(**changes)  # type: ignore[arg-type]


class Stepper:
    """A follower's counter in the test's own hands: no thread, no waiting."""

    def __init__(self, plan: Plan) -> None:
        self.counter = JournalCounter(plan)
        self._lock = os.open(plan.state / "follower.lock", os.O_RDWR | os.O_CREAT)
        assert self.counter.lead(self._lock)

    def run(self) -> None:
        """Count and commit to the journal's end."""
        self.counter.commit()
        while not self.counter.count(float("inf")) or self.counter.uncommitted:
            self.counter.commit()

    def close(self) -> None:
        """As a kill would: nothing is said or saved."""
        os.close(self._lock)


def views(backend: CounterBackend) -> Counter[str]:
    """Page -> views, of all days, of a backend that lists."""
    assert isinstance(backend, Listing)
    keys = Keys("pipelog")
    found: Counter[str] = Counter()
    for key, count in backend.scan("pipelog|"):
        coordinate = keys.coordinate(key)
        if coordinate and coordinate.dimension == "views" and count:
            found[coordinate.page] += count
    return found


def numbered(prefix: str = "p") -> Iterator[str]:
    """Pages that never come again, so that one lost or doubled line shows."""
    number = 0
    while True:
        number += 1
        yield f"/{prefix}-{number}/"


__all__ = ["BROWSER", "NOON", "Clock", "MemoryBackend", "Pipe", "Stepper", "line", "numbered", "plan", "views"]
