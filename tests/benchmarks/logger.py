"""pipelog as httpd runs it, a pipe at its standard input, for the parts that measure it at work."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import unpack

import pytest
from measure import BenchmarkError, environment

from pipelog import config
from pipelog.intake.journal import behind
from pipelog.intake.status import read_status
from pipelog.queries import Hits
from pipelog.shortcuts import hits_of
from pipelog.testing import servers

COMMAND = [sys.executable, "-P", "-m", "pipelog"]
PIPE = 1 << 20


def command(state: Path, backend: str) -> list[str]:
    """A logger with a state folder of its own."""
    return [*COMMAND, "--state", str(state), "--backend", backend, "--source", "bench"]


@contextmanager
def stores(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """Backends by name, empty: SQLite in `folder`, and a memcached of its own on loopback, where it is installed."""
    found = {"sqlite": f"sqlite://{folder}/{name}-counters.db"}
    for path in folder.glob(f"{name}-counters.db*"):
        path.unlink()
    try:
        with servers.memcached(arguments=["-m", "2048"]) as server:
            yield found | {"memcached": server.url}
    except pytest.skip.Exception as error:
        if str(error) != "memcached is not installed":
            raise
        print("memcached is not installed: SQLite only", file=sys.stderr)
        yield found


def feed(path: Path, sink: int) -> None:
    """A file into a pipe, and the pipe's end closed; the bytes go without a copy, so this costs next to nothing."""
    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, PIPE)
    try:
        with open(path, "rb") as file:
            while os.splice(file.fileno(), sink, PIPE):
                pass
    finally:
        os.close(sink)


class Logger:
    """A running pipelog. `sink`: the pipe's writing end."""

    def __init__(self, state: Path, backend: str) -> None:
        self.state, self.backend = state, backend
        self.source, self.sink = os.pipe()
        self.process = subprocess.Popen(command(state, backend), stdin=self.source, env=environment())

    def __enter__(self) -> Logger:
        return self

    def __exit__(self, *_: object) -> None:
        """The pipe ends; the logger counts what is left and ends."""
        with suppress(OSError):
            os.close(self.sink)
        os.close(self.source)
        if self.process.wait(60):
            raise BenchmarkError(f"pipelog ended with {self.process.returncode}")

    def write(self, lines: bytes) -> None:
        """Lines into the pipe."""
        while lines:
            lines = lines[os.write(self.sink, lines) :]

    def unread(self) -> int:
        """Bytes in the pipe that nobody has read yet."""
        return int(unpack("i", fcntl.ioctl(self.source, termios.FIONREAD, b"\0\0\0\0"))[0])

    def counted(self) -> bool:
        """Whether all that was written is counted and committed."""
        status = read_status(self.state)
        return not self.unread() and status is not None and not behind(self.state, status.position)

    def worker(self) -> int:
        """The pid of its worker."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def hits(self) -> Hits:
        """What an application asks."""
        return asked(self.state, self.backend)


def asked(state: Path, backend: str, prefix: str = "pipelog") -> Hits:
    """`Hits` over a backend and the history of a state folder."""
    settings = {"state": str(state), "backend": backend, "prefix": prefix}
    return hits_of(config.load(settings, config=os.devnull, environ={}))


def until(holds: Callable[[], object], what: str, *, within: float = 60, every: float = 0.01) -> None:
    """Wait for a thing to happen; `BenchmarkError` where it does not."""
    end = time.monotonic() + within
    while not holds():
        if time.monotonic() > end:
            raise BenchmarkError(f"not within {within} seconds: {what}")
        time.sleep(every)
