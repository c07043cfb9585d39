"""The table of docs/reliability.md: every scenario run for it, other loggers beside, and what the logger costs."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from acceptance_result import Result, run
from acceptance_scenarios import SCENARIOS, MemcachedStore
from acceptance_site import Site, logger_command

from pipelog.intake.journal import Position, behind
from pipelog.intake.status import read_status
from pipelog.testing import servers
from pipelog.testing.servers import eventually

BEGIN = "<!-- Made by: python tests/integration/acceptance.py --table docs/reliability.md -->\n"
END = "<!-- Up to here. -->\n"
ON_MEMCACHED = ("graceful", "kill-worker", "kill-both", "container", "store-stopped", "backlog", "store-emptied")
OF_FOUR_HOSTS = ("graceful", "restart", "container", "mixed")
OF_OTHERS = ("graceful", "restart", "stop", "slow")
STARTS = 7
ROUNDS = 7
LONGER = {"kill-worker": 12, "kill-supervisor": 8, "kill-both": 12, "store-stopped": 15, "backlog": 5, "mixed": 5}
"""How many times longer the load is: with 4 seconds 100 kills of workers, 25 of supervisors, and 25 of both; a store
that is stopped for 30 seconds at a time; a backlog of 100 MB."""


def write(path: Path, folder: Path, seconds: float, seed: int) -> list[Result]:
    """Run everything, put the tables between the markers of a file; the results."""
    text = path.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} lacks the lines {BEGIN!r} and {END!r}; the tables go between them")
    results = []
    for number, (name, logger, store, vhosts) in enumerate(_rows()):
        results.append(
            run(
                name,
                folder / f"{number}-{name}",
                logger=logger,
                store=store,
                vhosts=vhosts,
                seconds=seconds * LONGER.get(name, 1),
                seed=seed,
            )
        )
        print(results[-1], flush=True)
    costs = _costs_table(measured(folder, seconds)) + _rates_line(rates(folder / "rates", seconds))
    path.write_text(before + BEGIN + _tables(results) + costs + END + after, "utf-8")
    return results


def _rows() -> Iterator[tuple[str, str, str, int]]:
    for name, scenario in SCENARIOS.items():
        if "sqlite" in scenario.stores:
            yield name, "pipelog", "sqlite", 1
        if name in ON_MEMCACHED:
            yield name, "pipelog", "memcached", 1
        if name in OF_FOUR_HOSTS:
            yield name, "pipelog", "sqlite", 4
    for logger in ("rotatelogs", "cronolog"):
        for name in OF_OTHERS:
            yield name, logger, "", 1


def _tables(results: list[Result]) -> str:
    ours = [result for result in results if result.logger == "pipelog"]
    others = [result for result in results if result.logger != "pipelog"]
    titles = {name: scenario.title for name, scenario in SCENARIOS.items()}
    stores = {"sqlite": "SQLite", "memcached": "memcached"}
    made = ["", f"{_machine()}.", ""]
    made += ["| what happens, under load | store | pipes | events | lines | lost | doubled |"]
    made += ["|---|---|--:|--:|--:|--:|--:|"]
    for r in ours:
        title = titles[r.scenario] + (f" ({r.note})" if r.note else "")
        numbers = f"{r.vhosts} | {r.events} | {r.lines:,} | {r.lost:,} | {r.doubled:,}"
        made.append(f"| {title} | {stores[r.store]} | {numbers} |")
    total = sum(r.lines for r in ours), sum(r.lost for r in ours), sum(r.doubled for r in ours)
    made.append(f"| **together** | | | {sum(r.events for r in ours):,} | {total[0]:,} | {total[1]:,} | {total[2]:,} |")
    made += ["", "Other loggers in the same place, of which nothing is asked but their files:", ""]
    made += ["| what happens, under load | logger | events | lines | lost |", "|---|---|--:|--:|--:|"]
    made += [f"| {titles[r.scenario]} | {r.logger} | {r.events} | {r.lines:,} | {r.lost:,} |" for r in others]
    return "\n".join(made) + "\n"


def _costs_table(costs: dict[str, Costs]) -> str:
    made = ["", "What it costs, measured in the same way:", ""]
    made += ["| | " + " | ".join(costs) + " |", "|---" + "|--:" * len(costs) + "|"]
    for title, cell in (
        ("lines a second, as httpd makes them", lambda c: f"{c.rate:,.0f}"),
        ("CPU from the pipe to the journal, a line", lambda c: f"{c.journal:.1f} µs"),
        ("CPU in all, supervisor and worker, a line", lambda c: f"{c.whole:.1f} µs"),
        ("supervisor at rest / under load", lambda c: f"{c.supervisor[0]:.0f} / {c.supervisor[1]:.0f} MB"),
        ("worker at rest / under load", lambda c: f"{c.worker[0]:.0f} / {c.worker[1]:.0f} MB"),
        ("exec to the first byte in the journal", lambda c: f"{c.start * 1000:.0f} ms"),
    ):
        made.append(f"| {title} | " + " | ".join(map(cell, costs.values())) + " |")
    return "\n".join(made) + "\n"


def _rates_line(rates: list[Rates]) -> str:
    def ratio(of: Callable[[Rates], float]) -> str:
        return f"{statistics.median(map(of, rates)):.2f}"

    with_it, away = ratio(lambda r: r.counted / r.plain), ratio(lambda r: r.stopped / r.counted)
    return (
        f"\nRequests a second with pipelog, of those with a plain file alone: {with_it}; with its store (memcached)\n"
        f"stopped, of those with it alive: {away}. Medians of {len(rates)} rounds in turn, 1,000 pages.\n"
    )


def _machine() -> str:
    version = subprocess.run([servers.require("apache2"), "-v"], capture_output=True, text=True, check=True).stdout
    httpd = version.partition("Apache/")[2].partition(" ")[0]
    linux = ".".join(platform.release().split(".")[:2])
    return f"httpd {httpd}, Python {platform.python_version()}, Linux {linux}, {os.cpu_count()} cores, which httpd and \
its clients share"


# -- costs ---------------------------------------------------------------------------------------------------------


class Costs(NamedTuple):
    """CPU in µs a line, memory (at rest, under load) in MB, time in seconds."""

    lines: int
    rate: float
    journal: float  #: CPU of the thread that moves the pipe's bytes
    whole: float  #: CPU of all threads of both processes
    supervisor: tuple[float, float]
    worker: tuple[float, float]
    start: float


def measured(folder: Path, seconds: float) -> dict[str, Costs]:
    """What is asked for -> what it costs."""
    return {
        "1,000 pages in turn": measure(folder / "costs-1000", seconds, 1_000),
        "each path once": measure(folder / "costs", seconds, 0),
    }


def measure(work: Path, seconds: float, pages: int) -> Costs:
    """What the logger of a loaded httpd takes."""
    start = statistics.median(_start(work.with_name(f"{work.name}-start-{number}")) for number in range(STARTS))
    site = Site(work, logger_command("pipelog"))
    try:
        site.ask()
        eventually(lambda: _counted(site), "the first line is counted")
        ((supervisor, worker),) = site.supervised()
        rest = _memory(supervisor), _memory(worker)
        most = list(rest)
        before = _cpu(supervisor, worker), _cpu_of_thread(worker, worker), _lines(site)
        began = time.monotonic()
        with site.load(connections=32, pages=pages):
            while (took := time.monotonic() - began) < seconds:
                most = [max(most[0], _memory(supervisor)), max(most[1], _memory(worker))]
                time.sleep(0.1)
        eventually(lambda: _counted(site), "all is counted", within=60)
        after = _cpu(supervisor, worker), _cpu_of_thread(worker, worker), _lines(site)
        lines = after[2] - before[2]
        whole, journal = ((after[n] - before[n]) * 1e6 / lines for n in (0, 1))
        return Costs(lines, lines / took, journal, whole, (rest[0], most[0]), (rest[1], most[1]), start)
    finally:
        site.clean()


class Rates(NamedTuple):
    """Bytes of log a second, which stand for requests, of one round.

    With a plain file alone; with pipelog, too; with pipelog and its store stopped.
    """

    plain: float
    counted: float
    stopped: float


def rates(folder: Path, seconds: float) -> list[Rates]:
    """Several rounds, the three ways in turn."""
    with ExitStack() as stack:
        store = MemcachedStore(stack)
        plain, counted = (
            Site(folder / name, command)
            for name, command in (("plain", ""), ("counted", logger_command("pipelog", f"--backend {store.url}")))
        )
        stack.callback(plain.clean)
        stack.callback(counted.clean)
        counted.ask()
        rounds = []
        for _ in range(ROUNDS):
            one, two = _rate(plain, seconds), _rate(counted, seconds)
            store.pause()
            three = _rate(counted, seconds)
            store.resume()
            eventually(lambda: _counted(counted), "all is counted", within=60)
            rounds.append(Rates(one, two, three))
            print(rounds[-1], flush=True)
        return rounds


def _rate(site: Site, seconds: float) -> float:
    began, before = time.monotonic(), site.plain.stat().st_size
    with site.load(connections=32, pages=1_000):
        time.sleep(seconds)
    return (site.plain.stat().st_size - before) / (time.monotonic() - began)


def _start(state: Path) -> float:
    """Seconds from exec until a line that already stands in the pipe is in the journal."""
    read, written = os.pipe()
    os.write(written, b'::1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"\n')
    began = time.monotonic()
    logger = subprocess.Popen([sys.executable, "-P", "-m", "pipelog", "--state", str(state)], stdin=read)
    try:
        while not any(path.stat().st_size for path in (state / "journal").glob("*.log")):
            time.sleep(0.0005)
        return time.monotonic() - began
    finally:
        os.close(read)
        os.close(written)
        logger.wait(20)


def _counted(site: Site) -> bool:
    """Whether the store has all that stands in the journal, which has all that stands in the plain file."""
    status, held = read_status(site.kept), behind(site.kept, Position(0, 0))
    return status is not None and held == site.plain.stat().st_size > 0 and not behind(site.kept, status.position)


def _lines(site: Site) -> int:
    return site.plain.read_bytes().count(b"\n")


def _memory(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def _cpu(*pids: int) -> float:
    """Seconds of all threads; schedstat counts nanoseconds where stat has hundredths of seconds."""
    threads = [(pid, int(thread.name)) for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(_cpu_of_thread(*thread) for thread in threads)


def _cpu_of_thread(pid: int, thread: int) -> float:
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9
