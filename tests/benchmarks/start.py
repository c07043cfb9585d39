"""How soon a logger reads, what an import takes, and what both processes hold when there is nothing to do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from logger import Logger, stores, until
from measure import environment, median, memory_of
from parts import Part, Sizes, Table, bytes_of, seconds_of

LINE = (
    b'::1 - - [22/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"\n'
)
TIMES = 5
"""Starts in a round."""
REST = 2.0
"""Seconds after the first line was counted, in which what was needed to start is let go of."""


def measure(sizes: Sizes, folder: Path) -> Part:
    """The table of starts, and that of memory at rest."""
    table = Table("Start", ["", "median", "longest"])
    part = Part([table])
    programs = {"bare Python": "pass", "`import pipelog`": "import pipelog", "`pipelog.hits_today` named": NAMED}
    timed: dict[str, list[float]] = {title: [] for title in programs}
    first: list[float] = []
    for _ in range(sizes.rounds * TIMES):
        for title, program in programs.items():
            timed[title].append(_seconds([sys.executable, "-P", "-c", program]))
        first.append(_first_byte(Path(mkdtemp(prefix="start-", dir=folder))))
    for title, taken in (*timed.items(), ("exec to the first byte read", first)):
        table.rows.append([title, seconds_of(median(taken)), seconds_of(max(taken))])
    table.notes.append(f"{sizes.rounds * TIMES} starts of each, in turn.")
    part.figures["import"] = (median(timed["`import pipelog`"]) - median(timed["bare Python"])) * 1000
    part.figures["start"] = median(first) * 1000
    part.tables.append(_at_rest(part, folder))
    return part


NAMED = "import pipelog; pipelog.hits_today"


def _seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, env=environment(), check=True)
    return time.perf_counter() - begin


def _first_byte(state: Path) -> float:
    """Seconds from exec until a line that already stands in the pipe is read out of it."""
    begin = time.perf_counter()
    with Logger(state, f"sqlite://{state}/counters.db") as logger:
        # The line is there before Python is: httpd, too, opens its log and goes on.
        logger.write(LINE)
        until(lambda: not logger.unread(), "the first byte is read", every=0.0005)
        return time.perf_counter() - begin


def _at_rest(part: Part, folder: Path) -> Table:
    """Memory of supervisor and worker that have counted one line."""
    table = Table("Memory at rest", ["", "supervisor", "worker"])
    with stores(folder, "start") as urls:
        for name, url in urls.items():
            with Logger(Path(mkdtemp(prefix=f"rest-{name}-", dir=folder)), url) as logger:
                logger.write(LINE)
                until(logger.counted, "the first line is counted")
                time.sleep(REST)
                worker = logger.worker()
                held = resident(logger.process.pid), resident(worker)
                table.rows.append([name, *map(bytes_of, held)])
                for figure, value in zip(("supervisor", "worker"), held, strict=True):
                    part.figures[figure] = max(part.figures.get(figure, 0), value / 1e6)
                together = memory_of(logger.process.pid)
                table.notes = [
                    f"Resident, each with what it shares with the other; both together are {bytes_of(together)}."
                ]
    return table


def resident(pid: int) -> int:
    """Resident bytes of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096
