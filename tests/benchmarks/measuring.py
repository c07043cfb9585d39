"""What the benchmarks measure with: whole processes, from outside."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """One run of a command."""

    seconds: float
    cpu: float  #: of it and all that it waited for
    memory: float  #: MB, the most that it and its descendants had together (proportional set size)
    output: str


def run(command: Sequence[str], *, stdin: Path | None = None, env: dict[str, str] | None = None) -> Run:
    """Run a command to its end; SystemExit where it fails."""
    most, over = [0.0], threading.Event()
    feed = subprocess.Popen(["cat", stdin], stdout=subprocess.PIPE) if stdin else None  # a pipe, as httpd's
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=feed.stdout if feed else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        text=True,
        errors="replace",
    )
    if feed and feed.stdout:
        feed.stdout.close()
    watch = threading.Thread(target=_watch, args=(process.pid, most, over))
    watch.start()
    assert process.stdout
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    over.set()
    watch.join()
    if feed:
        feed.wait()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: {output[-500:]}")
    return Run(seconds, used.ru_utime + used.ru_stime, most[0], output)


def _watch(root: int, most: list[float], over: threading.Event) -> None:
    while not over.wait(0.1):
        most[0] = max(most[0], sum(map(memory, [root, *descendants(root)])))


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    try:
        children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in children for each in (child, *descendants(child))]


def memory(pid: int) -> float:
    """MB of a process; what it shares with others counts in parts (PSS)."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1_024
    except OSError:
        pass
    return 0.0


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; all but the first column stand at the right."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]) + "\n"


def machine() -> str:
    """What this was measured on, in a sentence."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")), "unknown")
    total = int(Path("/proc/meminfo").read_text().split()[1]) / 1_048_576
    cores = len(os.sched_getaffinity(0))
    return (
        f"{model}, {cores} cores of a virtual machine, {total:.0f} GiB, Linux {platform.release()},"
        f" Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}, load before it {os.getloadavg()[0]:.1f}"
    )
