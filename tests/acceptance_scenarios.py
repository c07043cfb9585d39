"""What can befall a logger under httpd, one function each: the events, while requests come in."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from acceptance_site import Site, kill, peak_memory

from pipelog.intake.journal import behind
from pipelog.intake.status import read_status
from pipelog.testing import servers
from pipelog.testing.servers import eventually

LOOK = 1.5
"""Seconds that are left before and after the end of all of a logger's processes: httpd looks once a second whether one
has to be replaced, and what stands in a pipe that nobody reads when httpd stops is lost with httpd."""
BOOT = 0.2
"""Seconds between what makes httpd start loggers and the next SIGTERM: one within the 7 ms before a logger's first
instruction ends it whatever it is (seen with two gracefuls at once and four pipes)."""
MOST_MEMORY = 64
"""MB of a worker, whatever waits on disk."""
HUGE = 150_000
"""Bytes of a header; the longest line that a logger takes is 128 KiB."""


class Store(Protocol):
    """Where the logger counts, and how to trouble it."""

    url: str

    def pause(self) -> None:
        """From now on it does not answer."""

    def resume(self) -> None:
        """It does again."""

    def empty(self) -> None:
        """End it at once, start another in its place."""


class SQLiteStore:
    """The default store. Another process in a transaction of its own is what keeps it from answering."""

    def __init__(self, path: Path) -> None:
        self.url, self._path = f"sqlite://{path}", path

    def pause(self) -> None:
        self._other = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        self._other.execute("BEGIN EXCLUSIVE")

    def resume(self) -> None:
        self._other.rollback()
        self._other.close()

    def empty(self) -> None:
        raise NotImplementedError("a file on disk does not forget")


class MemcachedStore:
    """A memcached on a free port, which an emptied one takes over."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._server = self._start(None)
        self.url = self._server.url

    def _start(self, port: int | None) -> servers.MemcachedServer:
        return self._stack.enter_context(servers.memcached(port=port, arguments=("-m", "1024")))

    def pause(self) -> None:
        self._server.pause()

    def resume(self) -> None:
        self._server.resume()

    def empty(self) -> None:
        self._server.stop()
        assert isinstance(self._server.address, tuple)
        self._server = self._start(self._server.address[1])


@dataclass
class Trial:
    """One run of a scenario: about `seconds` of load on `site`."""

    site: Site
    store: Store
    seconds: float
    seed: int = 1
    events: int = 0
    kills: int = 0
    note: str = ""  #: what was measured besides

    def beats(self, every: float) -> Iterator[None]:
        """An event each, until the time is over; at least one."""
        end = time.monotonic() + self.seconds
        time.sleep(min(every, 0.5))
        while True:
            self.events += 1
            yield
            time.sleep(every)
            if time.monotonic() >= end:
                return

    def under_load(self, event: Callable[[], object], every: float) -> None:
        """The same event again and again while requests come in."""
        with self.site.load():
            for _ in self.beats(every):
                event()

    def wait_for_counting(self) -> None:
        """Until lines are counted; the status is there a little earlier."""

        def counted() -> bool:
            status = read_status(self.site.kept)
            return status is not None and status.totals.get("lines", 0) > 0

        eventually(counted, "something is counted")

    def all_is_counted(self) -> bool:
        """Whether the store has all that stands in the journal."""
        status = read_status(self.site.kept)
        return status is not None and not behind(self.site.kept, status.position)

    def kill(self, *pids: int) -> None:
        """kill -9."""
        self.kills += sum(map(kill, pids))


class Scenario(NamedTuple):
    """`options` are the logger's; `environ` (of the seconds of load), `contained` and `scripts` are the site's."""

    title: str
    run: Callable[[Trial], None]
    options: str
    environ: Callable[[float], Mapping[str, str]]
    stores: tuple[str, ...]
    contained: bool
    scripts: bool


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    title: str,
    options: str = "",
    environ: Callable[[float], Mapping[str, str]] = lambda seconds: {},
    stores: tuple[str, ...] = ("sqlite", "memcached"),
    contained: bool = False,
    scripts: bool = False,
) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Enter a function in the table, under its name with dashes."""

    def entered(run: Callable[[Trial], None]) -> Callable[[Trial], None]:
        SCENARIOS[run.__name__.replace("_", "-")] = Scenario(title, run, options, environ, stores, contained, scripts)
        return run

    return entered


# -- httpd's own ends and beginnings -------------------------------------------------------------------------------


@scenario("graceful")
def graceful(trial: Trial) -> None:
    trial.under_load(lambda: trial.site.send(signal.SIGUSR1), 1.0)


@scenario("graceful each 0.2 s")
def graceful_often(trial: Trial) -> None:
    trial.under_load(lambda: trial.site.send(signal.SIGUSR1), BOOT)


@scenario("restart")
def restart(trial: Trial) -> None:
    trial.under_load(lambda: trial.site.send(signal.SIGHUP), 1.0)


@scenario("stop and graceful-stop under load")
def stop(trial: Trial) -> None:
    with trial.site.load():
        for _ in trial.beats(0.8):
            trial.site.stop(signal.SIGWINCH if trial.events % 2 else signal.SIGTERM)
            trial.site.start()
        trial.site.stop()


@scenario("slow requests in flight at a graceful", scripts=True)
def slow(trial: Trial) -> None:
    with trial.site.load():
        for _ in trial.beats(0.5):
            trial.site.ask_slowly(4)
            time.sleep(0.5)
            trial.site.send(signal.SIGUSR1)
        trial.site.answered()


@scenario("container stopped (httpd is process 1)", contained=True)
def container(trial: Trial) -> None:
    site = trial.site
    with site.load():
        for _ in trial.beats(0.8):
            site.stop(signal.SIGWINCH if trial.events % 2 else signal.SIGTERM)
            site.start()
        site.stop()
    # What the kernel killed before it had counted is counted by the next one that has something to do.
    site.contained = False
    site.start()
    site.ask()


# -- kill -9 -------------------------------------------------------------------------------------------------------


@scenario("kill -9 of the worker")
def kill_worker(trial: Trial) -> None:
    trial.under_load(lambda: trial.kill(*(worker for _, worker in trial.site.supervised())), 0.3)
    assert trial.kills


@scenario("kill -9 of the supervisor")
def kill_supervisor(trial: Trial) -> None:
    trial.under_load(lambda: trial.kill(*{supervisor for supervisor, _ in trial.site.supervised()}), 0.5)
    assert trial.kills


@scenario("kill -9 of both")
def kill_both(trial: Trial) -> None:
    trial.under_load(lambda: trial.kill(*trial.site.loggers()), LOOK)
    assert trial.kills


# -- the store -----------------------------------------------------------------------------------------------------


@scenario("store stopped (SIGSTOP; SQLite: locked by another process)")
def store_stopped(trial: Trial) -> None:
    site, store = trial.site, trial.store
    with site.load():
        trial.wait_for_counting()
        for _ in trial.beats(0.5):
            store.pause()
            before = site.plain.stat().st_size
            time.sleep(max(1.2, min(30, trial.seconds / 2)))
            grown = site.plain.stat().st_size - before
            store.resume()
            assert grown > 0, "httpd stood still with the store"


@scenario("store stopped until a backlog lies on disk")
def backlog(trial: Trial) -> None:
    site = trial.site
    goal = int(min(100, trial.seconds * 5)) << 20
    with site.load():
        trial.wait_for_counting()
        trial.events += 1
        trial.store.pause()
        before = site.plain.stat().st_size
        eventually(lambda: site.plain.stat().st_size - before > goal, f"{goal} bytes wait", within=120)
        trial.store.resume()
    eventually(trial.all_is_counted, "all is counted", within=120)
    most = max(peak_memory(worker) for _, worker in site.supervised())
    trial.note = f"{goal >> 20} MB waited, worker at most {most:.0f} MB"
    assert most <= MOST_MEMORY, trial.note


@scenario("store killed, and started again without its memory", stores=("memcached",))
def store_emptied(trial: Trial) -> None:
    with trial.site.load():
        trial.wait_for_counting()
        for _ in trial.beats(1.5):
            trial.store.empty()


# -- the disk ------------------------------------------------------------------------------------------------------


@scenario("disk full under load, and room again", "--archive {kept}/small/%Y-%m-%d.log")
def disk_full(trial: Trial) -> None:
    small = trial.site.kept / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=750", "tmpfs", small], check=True)
    try:
        with trial.site.load():
            trial.events += 1
            eventually(lambda: "No space left" in trial.site.said(), "the disk is full", within=30)
            time.sleep(trial.seconds / 2)
            trial.events += 1
            subprocess.run(["mount", "-o", "remount,size=1g", small], check=True)
            full = os.statvfs(small)
            eventually(lambda: os.statvfs(small).f_bfree < full.f_blocks - 1_000, "the journal goes on", within=30)
        trial.site.stop()
        trial.site.drain()
        assert trial.site.said().count("No space left") <= trial.site.vhosts, "each worker says so once"
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@scenario("journal's folder removed under load", "--archive {kept}/journal/%Y-%m-%d.log")
def journal_removed(trial: Trial) -> None:
    folder = trial.site.kept / "journal"

    with trial.site.load():
        # A file that is removed before the counting has opened it is gone.
        trial.wait_for_counting()
        for _ in trial.beats(1.5):
            eventually(folder.exists, "there is a journal")
            shutil.rmtree(folder, ignore_errors=True)  # it is made again while it is removed


# -- lines and days ------------------------------------------------------------------------------------------------


@scenario("lines of 6,000 bytes, and one over 128 KiB")
def long_lines(trial: Trial) -> None:
    site = trial.site
    # httpd writes a line with one write(), and the kernel keeps it whole while the pipe has room: few connections.
    with site.load(connections=2, padding=6_000):
        time.sleep(trial.seconds)
        trial.events += 1
        assert site.get("/?huge", referrer="x" * HUGE) == 200

    def cut_out() -> bool:
        status = read_status(site.kept)
        return status is not None and status.totals["too_long"] == 1

    eventually(cut_out, "the line over 128 KiB is left out, and counted as such")


def _midnight(seconds: float) -> dict[str, str]:
    """A time zone (POSIX TZ) in which midnight comes in the midst of the load, for httpd and loggers alike."""
    offset = int(86_400 - seconds / 2 - 1 - time.time() % 86_400) % 86_400
    return {"TZ": f"NEAR-{offset // 3600:02}:{offset // 60 % 60:02}:{offset % 60:02}"}


@scenario("midnight", environ=_midnight, stores=("sqlite",))
def midnight(trial: Trial) -> None:
    journal = trial.site.kept / "journal"
    trial.events += 1
    with trial.site.load():
        eventually(lambda: len(list(journal.glob("*.log"))) == 2, "the new day's file", within=trial.seconds + 10)
        time.sleep(1)


@scenario("a new journal file each second", "--archive {kept}/journal/%H-%M-%S.log")
def segments(trial: Trial) -> None:
    trial.under_load(lambda: None, 1.0)
    assert len(list((trial.site.kept / "journal").glob("*.log"))) >= trial.seconds


# -- all of it -----------------------------------------------------------------------------------------------------


@dataclass
class _Mix:
    """Random events; the seed tells which."""

    trial: Trial
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.trial.seed)

    def graceful(self) -> None:
        self.trial.site.send(signal.SIGUSR1)

    def restart(self) -> None:
        self.trial.site.send(signal.SIGHUP)

    def again(self) -> None:
        self.trial.site.stop(self.random.choice((signal.SIGTERM, signal.SIGWINCH)))
        self.trial.site.start()

    def worker(self) -> None:
        self.trial.kill(*(worker for _, worker in self.trial.site.supervised()))

    def supervisor(self) -> None:
        self.trial.kill(*{supervisor for supervisor, _ in self.trial.site.supervised()})

    def both(self) -> None:
        time.sleep(LOOK)
        self.trial.kill(*self.trial.site.loggers())
        time.sleep(LOOK)

    def freeze(self) -> None:
        workers = [worker for _, worker in self.trial.site.supervised()]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for worker in workers:
                kill(worker, number)
            time.sleep(self.random.random() / 2)

    def term(self) -> None:
        for pid in self.trial.site.loggers():
            kill(pid, signal.SIGTERM)


@scenario("random mix of these")
def mixed(trial: Trial) -> None:
    mix = _Mix(trial)
    events = (mix.graceful, mix.restart, mix.again, mix.worker, mix.supervisor, mix.both, mix.freeze, mix.term)
    with trial.site.load():
        for _ in trial.beats(0):
            mix.random.choice(events)()
            time.sleep(BOOT + mix.random.random())
