"""What pipelog costs httpd: requests a second with it and with a plain file, the store alive and standing still.

All servers run all the time, and one at a time is asked; what else the machine does befalls all alike.
"""

from __future__ import annotations

import math
import os
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest
from httpd_helpers import Httpd
from logger import until
from measure import BenchmarkError, median
from parts import Part, Plot, Sizes, Table

from pipelog.intake.journal import behind
from pipelog.intake.status import read_status
from pipelog.testing import servers

PLAIN = 'CustomLog "{work}/access.log" combined\n'
PIPED = (
    'CustomLog "|/usr/bin/env --ignore-signal=TERM PIPELOG_CONFIG=/dev/null {python} -P -m pipelog'
    ' --state {{work}}/state --backend {backend} --source bench" combined\n'
)
# As many processes at the end as at the beginning: httpd closes connections when it ends one that it holds spare.
MORE = """
ServerLimit 4
StartServers 4
MaxRequestWorkers 100
MaxSpareThreads 100
MaxKeepAliveRequests 0
AliasMatch "^/p/" "{work}/htdocs/index.html"
"""
LUA = """
local number = 0
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
function request()
  number = number + 1
  return wrk.format("GET", "/p/" .. number % 1000 .. "/")
end
"""
CONNECTIONS = 32
ROUND = 3
"""Seconds."""
STOPPED = "pipelog, memcached standing still"


def measure(sizes: Sizes, folder: Path) -> Part:
    """The table of throughput."""
    try:
        return _measured(sizes, Path(mkdtemp(prefix="httpd-", dir=folder)))
    except pytest.skip.Exception as error:  # httpd, its modules, wrk or memcached are not installed
        raise BenchmarkError(str(error)) from error


def _measured(sizes: Sizes, folder: Path) -> Part:
    wrk = servers.require("wrk")
    folder.chmod(0o755)
    (folder / "load.lua").write_text(LUA)
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        alive = stack.enter_context(servers.memcached())
        stopped = stack.enter_context(servers.memcached())
        sites = {
            "a plain file": stack.enter_context(_site(folder / "plain", PLAIN)),
            "pipelog, SQLite": stack.enter_context(
                _site(folder / "sqlite", _piped("sqlite://{work}/state/counters.db"))
            ),
            "pipelog, memcached": stack.enter_context(_site(folder / "memcached", _piped(alive.url))),
            STOPPED: stack.enter_context(_site(folder / "stopped", _piped(stopped.url))),
        }
        for site in sites.values():
            _asked(wrk, site, folder, 1.0)  # connections, memos, files: everybody is warm
        stack.callback(stopped.resume)  # so that its logger can end
        stopped.pause()
        names = list(sites)
        for number in range(max(2, sizes.seconds // ROUND)):  # short ones: what befalls one befalls its neighbours, too
            turn = number % len(names)
            for name in (*names[turn:], *names[:turn]):
                _asked(wrk, sites[name], folder, 1.0)  # so that what is measured has all the counting of its lines
                rates.setdefault(name, []).append(_asked(wrk, sites[name], folder, ROUND))
                if name not in (STOPPED, names[0]):
                    until(lambda: _at_rest(sites[name]), "the logger has counted all")  # noqa: B023
        kept = {name: _lines(site) for name, site in sites.items()}
        _check(kept, {name: site.asked for name, site in sites.items()})
    return told(rates)


class _Site(Httpd):
    asked = 0  #: answers that wrk counted


@contextmanager
def _site(work: Path, log: str) -> Iterator[_Site]:
    (work / "htdocs").mkdir(parents=True)
    site = _Site(work, MORE + log)
    try:
        yield site
    finally:
        site.stop()
        _drained(work)


def _drained(work: Path) -> None:
    """Wait for the loggers, which end when all is counted; those that do not are killed, and that is an error."""
    try:
        until(lambda: not _loggers(work), f"the loggers of {work.name} have ended")
    except BenchmarkError:
        for pid in _loggers(work):
            os.kill(pid, signal.SIGKILL)
        raise


def _loggers(work: Path) -> list[int]:
    """Processes in whose command line the folder stands."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.fsencode(work) in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def _piped(backend: str) -> str:
    return PIPED.format(python=sys.executable, backend=backend)


def _asked(wrk: str, site: _Site, folder: Path, seconds: float) -> float:
    """Requests a second of one round."""
    address = f"http://127.0.0.1:{site.port}/"
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(folder / "load.lua"), address]
    count, rate = read_wrk(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    site.asked += count
    return rate


def read_wrk(said: str) -> tuple[int, float]:
    """Requests, and requests a second, of wrk's report; `BenchmarkError` where some were not answered well.

    A connection that httpd has closed while wrk was writing into it is a read error; a few of them do not matter.
    """
    count, rate = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s*([\d.]+)", said)
    if not count or not rate:
        raise BenchmarkError(f"wrk said nothing of requests: {said.strip()[-200:]}")
    closed = re.search(r"Socket errors: connect 0, read (\d+), write 0, timeout 0", said)
    few = closed and int(closed[1]) * 1_000 <= int(count[1])
    if (wrong := re.search(r"Non-2xx.*|Socket errors.*", said)) and not few:
        raise BenchmarkError(f"wrk: {wrong[0].strip()}")
    return int(count[1]), float(rate[1])


def _at_rest(site: Httpd) -> bool:
    """Whether the logger has counted all that it was given."""
    state = site.work / "state"
    status = read_status(state)
    return status is not None and not behind(state, status.position)


def _lines(site: Httpd) -> Callable[[], int]:
    """What counts the lines that were logged, once the server has stopped."""
    state = site.work / "state"
    paths = list((state / "journal").glob("*.log")) or [site.work / "access.log"]
    return lambda: sum(path.read_bytes().count(b"\n") for path in paths)


def _check(kept: dict[str, Callable[[], int]], asked: dict[str, int]) -> None:
    """Each answer that wrk has seen stands in a file: a fast logger that loses lines is no logger."""
    for name, count in kept.items():
        until(lambda: count() >= asked[name], f"{asked[name]:,} lines of {name} are kept")  # noqa: B023


def told(rates: dict[str, list[float]]) -> Part:
    """The table. The ratio is the geometric mean of the rounds' ratios; it lies between two bounds, nineteen times of
    twenty."""
    table = Table("httpd's requests a second", ["", "median", "least", "most", "times a plain file", "from", "to"])
    part = Part([table])
    plain = rates["a plain file"]
    for name, runs in rates.items():
        ratio, low, high = between([one / other for one, other in zip(runs, plain, strict=True)])
        speeds = (f"{value:,.0f}" for value in (median(runs), min(runs), max(runs)))
        table.rows.append([name, *speeds, *(f"{value:.3f}" for value in (ratio, low, high))])
        if name == STOPPED:
            part.figures["httpd stopped"] = ratio
        elif name.startswith("pipelog"):
            part.figures["httpd alive"] = min(ratio, part.figures.get("httpd alive", ratio))
    table.notes.append(
        f"{len(plain)} rounds of {ROUND} seconds, each after another second of load, {CONNECTIONS} connections of wrk,"
        " 1,000 pages in turn; httpd, wrk, pipelog and memcached share the cores. From, to: where the ratio lies,"
        " nineteen times of twenty. Every answer was found in the logs."
    )
    middle = [round(median(runs)) for runs in rates.values()]
    part.plots.append(Plot("httpd", "httpd's requests a second", list(rates), {"requests a second": middle}))
    return part


def between(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of ratios, and the bounds of its 95 % interval (two standard errors of the logarithm)."""
    logarithms = [math.log(ratio) for ratio in ratios]
    middle = statistics.fmean(logarithms)
    error = statistics.stdev(logarithms) / math.sqrt(len(logarithms)) if len(logarithms) > 1 else 0.0
    return math.exp(middle), math.exp(middle - 2 * error), math.exp(middle + 2 * error)
