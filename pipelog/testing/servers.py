"""Real servers for tests: started on loopback or a Unix socket, gone when the test is.

A program that is not installed skips the test, with the reason for pytest's summary, but fails it where the
environment has CI=true: a suite that quietly skips everything is no suite.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

_PATIENCE = 20.0


def require(program: str) -> str:
    """The path of a program; looks where daemons live too. Skips the test if there is none, fails it in CI."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"))
    found = shutil.which(program, path=places)
    if found is None:
        missing(f"{program} is not installed")
    return found


def missing(reason: str) -> NoReturn:
    """What a test needs is not here: skip it, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason + ", and CI=true wants every test run", pytrace=False)
    pytest.skip(reason)


def eventually(holds: Callable[[], object], what: str, *, within: float = _PATIENCE) -> None:
    """Wait until `holds()` is true; fail the test with `what` if it is not so within so many seconds."""
    end = time.monotonic() + within
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"not within {within} seconds: {what}")
        time.sleep(0.01)


class MemcachedServer:
    """A running memcached; `url` is its location for pipelog."""

    def __init__(self, process: subprocess.Popen[bytes], address: tuple[str, int] | str) -> None:
        self.process = process
        self.address = address

    @property
    def url(self) -> str:
        if isinstance(self.address, str):
            return f"memcached://{self.address}"
        host, port = self.address
        return f"memcached://[{host}]:{port}" if ":" in host else f"memcached://{host}:{port}"

    def ask(self, command: bytes) -> bytes:
        """One command over a connection of its own, and the first line of the reply: the back channel of a test."""
        with self.connect() as connection:
            connection.sendall(command + b"\r\n")
            return connection.makefile("rb").readline().rstrip(b"\r\n")

    def connect(self) -> socket.socket:
        if isinstance(self.address, str):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(_PATIENCE)
            connection.connect(self.address)
            return connection
        return socket.create_connection(self.address, timeout=_PATIENCE)

    def pause(self) -> None:
        """Let it accept connections and answer nothing, as a server does that hangs."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)  # the signal takes a moment to stop all threads

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once, memory and all."""
        self.process.kill()
        self.process.wait()


@contextmanager
def memcached(
    *, host: str = "127.0.0.1", port: int | None = None, path: Path | None = None, arguments: Sequence[str] = ()
) -> Iterator[MemcachedServer]:
    """Run a memcached on a free port of `host`, on `port`, or on the Unix socket `path`; yields when it answers."""
    program = require("memcached")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pipelog-")))
        ports = folder / "ports"
        where = ["-s", str(path)] if path else ["-l", host, "-p", str(port or -1), "-U", "0"]
        process = subprocess.Popen(
            [program, *where, "-u", getpass.getuser(), "-t", "1", *arguments],
            env=os.environ | {"MEMCACHED_PORT_FILENAME": str(ports)},
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        stack.callback(process.stderr.close)
        stack.callback(process.wait)
        stack.callback(process.kill)

        def started() -> bool:
            if process.poll() is not None:
                assert process.stderr is not None
                pytest.fail(f"memcached did not start: {process.stderr.read().decode(errors='replace')}")
            return path.exists() if path else ports.exists()

        eventually(started, "memcached started")
        server = MemcachedServer(process, str(path) if path else (host, _port(ports)))
        eventually(lambda: _answers(server), "memcached answered")
        yield server


def _port(ports: Path) -> int:
    # memcached writes the file under another name and renames it: "TCP INET: 40123".
    return int(ports.read_text().split()[-1])


def _answers(server: MemcachedServer) -> bool:
    try:
        return server.ask(b"version").startswith(b"VERSION")
    except OSError:
        return False
