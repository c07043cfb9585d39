"""How soon a line that httpd has written is in what an application reads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from logger import Logger, stores, until
from measure import percentile
from parts import Part, Sizes, Table, seconds_of

LINE = b'192.0.2.7 - - [%s] "GET %s HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"\n'
BETWEEN = 0.037
"""Seconds from one line to the next: no divisor of the time between two commits, so that every moment of it is met."""
LOOK = 0.002
LOADS = {"alone": 0, "among 5,000 lines a second": 5_000}


def measure(sizes: Sizes, folder: Path) -> Part:
    """The table of freshness: both stores, with nothing else to count and under load."""
    table = Table("From a line written to `hits_today`", ["", "p50", "p99", "longest"])
    part = Part([table])
    with stores(folder, "fresh") as urls:
        for title, rate in LOADS.items():
            for name, url in urls.items():
                delays = _delays(Path(mkdtemp(prefix=f"fresh-{name}-", dir=folder)), url, sizes.samples, rate)
                values = [percentile(delays, 0.5), percentile(delays, 0.99), max(delays)]
                table.rows.append([f"{name}, {title}", *map(seconds_of, values)])
                figure = f"fresh {name} p99"
                part.figures[figure] = max(part.figures.get(figure, 0), values[1] * 1000)
    table.notes.append(
        f"{sizes.samples} lines, each for a page of its own, looked for every {LOOK * 1000:.0f} ms. `flush` is at its"
        " default of half a second."
    )
    return part


def _delays(state: Path, url: str, samples: int, rate: int) -> list[float]:
    """Seconds that each line took; `rate` is how many others are written in a second."""
    written: dict[str, float] = {}
    delays: list[float] = []
    with Logger(state, url) as logger:
        logger.write(_line("/first/"))
        until(logger.counted, "the first line is counted")
        hits = logger.hits()
        mark = f"{state.name}-{url[:3]}"
        following, others, begun = time.perf_counter(), 0, time.perf_counter()
        while len(delays) < samples:
            now = time.perf_counter()
            due = int((now - begun) * rate) - others
            if due > 0:
                logger.write(b"".join(_line(f"/other/{number % 1000}/") for number in range(due)))
                others += due
            if len(written) + len(delays) < samples and now >= following:
                page = f"/{mark}/{len(written) + len(delays)}/"
                logger.write(_line(page))
                written[page] = time.perf_counter()
                following += BETWEEN
            if written:
                _seen(written, delays, {page: hit.today for page, hit in hits.many(written).items()})
            if written and now - min(written.values()) > 30:
                until(lambda: False, f"{len(written)} lines are seen", within=0)
            time.sleep(LOOK)
    return delays


def _seen(written: dict[str, float], delays: list[float], counts: Mapping[str, int]) -> None:
    """Move the pages that have their view from what was written to what took how long."""
    now = time.perf_counter()
    delays += [now - written.pop(page) for page in list(written) if counts.get(page)]


def _line(page: str) -> bytes:
    return LINE % (datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").encode(), page.encode())
