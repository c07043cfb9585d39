"""What an answer takes: `hits_today`, `hits` and `many`, as an application calls them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import logs
from logger import Logger, feed, stores
from measure import BenchmarkError, environment, percentile, run
from parts import Part, Sizes, Table, seconds_of
from rollup import PIPELOG

import pipelog
from pipelog import config
from pipelog.queries import Hits
from pipelog.shortcuts import hits_of

MANY = 1_000
TIMES = 20
"""Calls of `hits_today` and `hits` for one of `many`."""


def measure(sizes: Sizes, folder: Path) -> Part:
    """The table of reads: a day of a log in the backend and the day before in the history."""
    now = datetime.now(UTC).date()
    today = logs.made(folder, sizes.lines, start=now.isoformat())
    before = logs.made(folder, sizes.lines, start=(now - timedelta(days=1)).isoformat())
    table = Table("An answer", ["", "p50", "p99"])
    part = Part([table])
    with stores(folder, "reads") as urls:
        timed: dict[str, dict[str, list[float]]] = {}
        pages: list[str] = []
        for name, url in urls.items():
            state = Path(mkdtemp(prefix=f"reads-{name}-", dir=folder))
            with Logger(state, url) as logger:
                feed(today, logger.sink)
            yesterday = (now - timedelta(days=1)).isoformat()
            run([*PIPELOG, "rollup", yesterday, str(before), "--state", str(state)], environ=environment())
            hits = _hits(state, url)
            # SQLite comes first, and lists what memcached cannot.
            pages = pages or [page for page, _ in hits.top(20_000)]
            timed[name] = _timed(hits, pages, sizes.samples)
        for call in next(iter(timed.values())):
            for name, calls in timed.items():
                p50, p99 = (percentile(calls[call], share) for share in (0.5, 0.99))
                table.rows.append([f"{call}, {name}", seconds_of(p50), seconds_of(p99)])
                if call == "`hits_today`":
                    part.figures[f"read {name} p50"] = p50 * 1e6
                elif call.startswith("`many`"):
                    part.figures[f"many {name}"] = p50 * 1e3
    table.notes.append(
        f"{sizes.samples * TIMES:,} calls for pages drawn from the log, {sizes.samples} of `many`; one process, the"
        " servers on the same machine."
    )
    return part


def _hits(state: Path, url: str) -> Hits:
    """What the process asks from now on, by `pipelog.hits_today` as by what is given back."""
    settings = {"state": str(state), "backend": url}
    pipelog.configure(os.devnull, **settings)
    return hits_of(config.load(settings, config=os.devnull, environ={}))


def _timed(hits: Hits, pages: Sequence[str], samples: int) -> dict[str, list[float]]:
    """Seconds of each call, by what was called."""
    dice = random.Random(1)
    calls: dict[str, list[float]] = {}
    drawn = dice.choices(pages, k=samples * TIMES)
    if not 0 < sum(map(pipelog.hits_today, pages[:10])) == sum(hit.today for hit in hits.many(pages[:10]).values()):
        raise BenchmarkError("the pages that lead have no views, or `hits_today` and `many` disagree")
    calls["`hits_today`"] = _each(pipelog.hits_today, drawn)
    calls["`hits`"] = _each(pipelog.hits, drawn)
    batches = [dice.sample(pages, min(MANY, len(pages))) for _ in range(samples)]
    calls[f"`many` of {len(batches[0]):,}"] = _each(hits.many, batches)
    return calls


def _each(call: Callable[[Any], object], arguments: Sequence[object]) -> list[float]:
    clock = time.perf_counter
    took = []
    for argument in arguments:
        begin = clock()
        call(argument)
        took.append(clock() - begin)
    return took
