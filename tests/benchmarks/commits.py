"""What a commit takes: counters added to a backend in batches, as the logger commits them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from logger import stores
from measure import BenchmarkError, median
from parts import Part, Sizes, Table

from pipelog import plugins
from pipelog.backends.base import CounterBackend
from pipelog.backends.keys import Keys

BATCHES = 10
NAMES = 20_000
"""Counters of a batch, of ten times as many that there are at the end."""
TTL = 3 * 86_400


def measure(sizes: Sizes, folder: Path) -> Part:
    """The table of commits."""
    batches = made()
    counters = sum(map(len, batches))
    table = Table("A commit", ["", "counters a second", "slowest round", "counters", "batches"])
    part = Part([table])
    with stores(folder, "commits") as urls:
        rates: dict[str, list[float]] = {}
        for number in range(sizes.rounds):
            for name, url in urls.items():
                with plugins.backend(url) as backend:
                    rates.setdefault(name, []).append(counters / _committed(backend, number, batches))
    for name, runs in rates.items():
        table.rows.append([name, f"{median(runs):,.0f}", f"{min(runs):,.0f}", f"{counters:,}", str(BATCHES)])
        part.figures[f"commit {name}"] = median(runs)
    table.notes.append(
        f"{sizes.rounds} rounds, each into a day of its own; the first batch makes most of the counters, the later ones"
        " add to them and make a few. One process, the server on the same machine."
    )
    return part


def made() -> list[Counter[int]]:
    """Batches of counters by number: few that every batch has, many that come once."""
    dice = random.Random(1)
    batches = []
    for _ in range(BATCHES):
        batch: Counter[int] = Counter()
        while len(batch) < NAMES:
            batch[int(10 * NAMES * dice.random() ** 3)] += 1
        batches.append(batch)
    return batches


def _committed(backend: CounterBackend, number: int, batches: Sequence[Counter[int]]) -> float:
    """Seconds of all commits; afterwards some counters must have what was added to them."""
    keys, day = Keys("bench"), date.fromordinal(date(2026, 1, 1).toordinal() + number)
    named = [
        {keys.counter((day, "", f"/releases/{n % 1000}/{n}/", "views", "")): count for n, count in batch.items()}
        for batch in batches
    ]
    begun = time.perf_counter()
    for batch in named:
        backend.commit(batch, {}, ttl=TTL)
    taken = time.perf_counter() - begun
    looked = list(named[-1])[:1000]
    if backend.counts(looked) != {key: sum(batch.get(key, 0) for batch in named) for key in looked}:
        raise BenchmarkError("a counter has not what was added to it")
    return taken
