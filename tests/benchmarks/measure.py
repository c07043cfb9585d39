"""Programs measured side by side: seconds, CPU, memory, and whether they agree."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.01
"""Seconds between two looks at a program's memory."""


class BenchmarkError(Exception):
    """A program failed, or two that should agree do not: there is no figure."""


@dataclass(frozen=True)
class Usage:
    """What one run took: seconds from start to end, CPU seconds and most bytes of memory of all its processes."""

    seconds: float
    cpu: float
    memory: int
    output: str


@dataclass
class Contender:
    """A program that does the job. `read`: what it counted, of its output or the files that it wrote; all that have a
    count of the same name must agree. `differs`: why it does not count the same, in words."""

    name: str
    command: Sequence[str]
    read: Callable[[str], Mapping[str, int]]
    differs: str = ""
    slow: bool = False  #: runs in the first round only


def environment(**settings: str) -> dict[str, str]:
    """The environment without settings of pipelog, but for those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIPELOG_")}
    return kept | {"PIPELOG_CONFIG": os.devnull} | settings


def run(
    command: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    environ: Mapping[str, str] | None = None,
    feed: Callable[[], None] | None = None,
) -> Usage:
    """Run a program to its end; `feed` is called once it was started. `BenchmarkError` where it fails."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdin=stdin, stdout=output, stderr=errors, env=environ or environment())
        except FileNotFoundError as error:
            raise BenchmarkError(f"{command[0]} is not installed") from error
        with Watch(process.pid) as watch:
            if feed:
                feed()
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise BenchmarkError(f"{command[0]} failed: {errors.read().decode(errors='replace').strip()[-500:]}")
        # The kernel's own figure has no gaps between looks; but a process begins with what its parent had at its start.
        most = usage.ru_maxrss * 1024
        memory = max(watch.most, most if most > _own_peak() else 0)
        return Usage(seconds, usage.ru_utime + usage.ru_stime, memory, output.read().decode(errors="replace"))


class Watch:
    """The memory of a process and all below it, looked at every few milliseconds while the block lasts.

    Of one process its own high-water mark; of several the sum of their shares (PSS: pages in common count once).
    """

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            self.most = max(self.most, memory_of(self._pid))


def memory_of(pid: int) -> int:
    """Bytes of a process and all below it, at this moment; 0 where it is gone."""
    family = _family(pid)
    if len(family) == 1:
        return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM:") * 1024
    return sum(_kilobytes(Path(f"/proc/{one}/smaps_rollup"), "Pss:") for one in family) * 1024


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            for thread in os.listdir(f"/proc/{one}/task"):
                found += map(int, Path(f"/proc/{one}/task/{thread}/children").read_text().split())
        except OSError:
            pass
    return found


def _kilobytes(path: Path, name: str) -> int:
    try:
        for row in path.read_text().splitlines():
            if row.startswith(name):
                return int(row.split()[1])
    except OSError:
        pass
    return 0


def _own_peak() -> int:
    return _kilobytes(Path("/proc/self/status"), "VmHWM:") * 1024


def cpu_of(*pids: int) -> float:
    """CPU seconds so far of processes that run; schedstat counts nanoseconds where stat has hundredths of seconds."""
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def side_by_side(contenders: Sequence[Contender], rounds: int) -> dict[str, list[Usage]]:
    """Runs of each, in turn, so that whatever else the machine does befalls all; each round begins with another."""
    usages: dict[str, list[Usage]] = {one.name: [] for one in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for one in (*contenders[turn:], *contenders[:turn]):
            if not (one.slow and usages[one.name]):
                usages[one.name].append(run(one.command))
    return usages


def agree(contenders: Sequence[Contender], usages: Mapping[str, Sequence[Usage]]) -> dict[str, int]:
    """What all counted, in each of their runs; `BenchmarkError` where one has something else than the others."""
    agreed: dict[str, int] = {}
    by: dict[str, str] = {}
    for one in contenders:
        for usage in usages[one.name]:
            for what, count in one.read(usage.output).items():
                if agreed.setdefault(what, count) != count:
                    raise BenchmarkError(f"{one.name} has {count:,} {what}, {by[what]} {agreed[what]:,}")
                by.setdefault(what, one.name)
    return agreed


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many of all do not exceed (0.99: the 99th percentile), one of those measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
