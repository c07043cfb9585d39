"""A real httpd whose requests are logged twice, through a pipe to a logger and into a plain file, and what befalls it.

Every path under /p/ and /slow/ is asked for once, so that one lost or doubled line shows. The pipe's CustomLog stands
first: httpd killing a worker between its two writes then leaves a line that only the logger has, never the opposite.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from httpd_helpers import BROWSER, Httpd

from pipelog.intake.status import read_status
from pipelog.testing import servers
from pipelog.testing.servers import eventually

STUCK = 20.0
"""Seconds without progress after httpd's end, after which a logger that still runs is a fault."""
PAGE = re.compile(rb'"GET (/(?:p|slow)/[^ "]+/) HTTP/1\.[01]" 200 ')
CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
MORE = """
ServerLimit 64
MaxKeepAliveRequests 500
LimitRequestFieldSize 262144
AliasMatch "^/p/" "{work}/htdocs/index.html"
"""
WITH_SCRIPTS = """
ScriptSock "{work}/cgid.sock"
ScriptAliasMatch "^/slow/" "{work}/htdocs/slow.cgi"
"""
SLOW = '#!/bin/sh\nsleep 2\nprintf "Content-Type: text/plain\\n\\nat last\\n"\n'
LUA = """
local number, tag, sites, pages = 0
function init(arguments)
  tag, sites, pages = arguments[1], tonumber(arguments[2]), tonumber(arguments[5])
  wrk.headers["User-Agent"] = arguments[4]
  if tonumber(arguments[3]) > 0 then
    wrk.headers["Referer"] = "http://far.test/" .. string.rep("x", tonumber(arguments[3]))
  end
end
function request()
  number = number + 1
  wrk.headers["Host"] = "v" .. number % sites .. ".test"
  if pages > 0 then return wrk.format("GET", "/p/" .. number % pages .. "/") end
  return wrk.format("GET", "/p/" .. tag .. "-" .. number .. "/")
end
"""


def logger_command(name: str, options: str = "") -> str:
    """The command of a CustomLog; {kept} is the folder that the logger writes to."""
    if name == "pipelog":
        return (
            f"/usr/bin/env --ignore-signal=TERM PIPELOG_MAX_PAGES=0 {sys.executable} -P -m pipelog"
            f" --state {{kept}} --source acceptance {options}"
        )
    if name == "rotatelogs":
        return servers.require(name) + " {kept}/log.%s 86400"
    return servers.require(name) + " {kept}/%Y-%m-%d.log"


class Site(Httpd):
    """httpd with `vhosts` virtual hosts, a pipe to `command` each (none where it is "").

    `environ` is added to its environment and so to the loggers'.

    Where `contained` is set, a start makes httpd process 1 of a PID namespace of its own. `scripts`: with mod_cgid, for
    slow requests. Its daemon holds the writing ends of the loggers' pipes, and a stop soon after a start can miss it
    (seen): the loggers, rightly, wait for it then.
    """

    def __init__(
        self,
        work: Path,
        command: str,
        *,
        vhosts: int = 1,
        environ: Mapping[str, str] | None = None,
        contained: bool = False,
        scripts: bool = False,
    ) -> None:
        self.kept, self.plain = work / "kept", work / "plain.log"
        self.vhosts, self.contained = vhosts, contained
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("PIPELOG_")} | dict(environ or {})
        self._loads = self._asked = 0
        self._threads: list[threading.Thread] = []
        work.mkdir(parents=True, exist_ok=True)
        self.kept.mkdir(mode=0o750)
        logs = f'CustomLog "|{command}" combined\n' * bool(command) + 'CustomLog "{work}/plain.log" combined\n'
        logs = logs.replace("{kept}", str(self.kept))
        if vhosts > 1:
            begin = "<VirtualHost 127.0.0.1:{port}>\nServerName v%d.test\n"
            logs = "".join(begin % number + logs + "</VirtualHost>\n" for number in range(vhosts))
        (work / "htdocs").mkdir()
        (work / "htdocs" / "slow.cgi").write_text(SLOW)
        (work / "htdocs" / "slow.cgi").chmod(0o755)
        (work / "load.lua").write_text(LUA)
        super().__init__(work, MORE + WITH_SCRIPTS * scripts + logs, modules="cgid" if scripts else "")

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [self.program, "-f", str(self.configuration), "-DFOREGROUND"]
        self.process = subprocess.Popen(
            [*CONTAINER, *command] if self.contained else command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self.environ,
        )
        eventually(self._answers, "httpd answers", within=30)
        self.pid = self.process.pid
        if self.contained:
            self.pid = int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def send(self, number: int) -> None:
        """A signal to httpd itself."""
        os.kill(self.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop httpd and wait for it; a signal in the midst of a restart is overheard by httpd, so it is repeated."""
        for again in (number, signal.SIGTERM):
            if self.process.poll() is None:
                self.send(again)
                try:
                    self.process.wait(15)
                except subprocess.TimeoutExpired:
                    continue
        self.process.wait(1)

    # -- its loggers ---------------------------------------------------------------------------------------------

    def loggers(self) -> dict[int, int]:
        """The loggers' processes: pid -> the parent's. They are known by the folder in their command line."""
        return _processes(self.kept)

    def supervised(self) -> list[tuple[int, int]]:
        """(supervisor, worker) pairs under this httpd: neither orphans nor loggers that have no worker yet."""
        found = self.loggers()
        return [(parent, pid) for pid, parent in found.items() if found.get(parent) == self.pid]

    def drain(self) -> str:
        """Wait for the loggers to end by themselves: "", or what is known of those that do not (they are killed)."""
        progress, since = read_status(self.kept), time.monotonic()
        while left := self.loggers():
            now = read_status(self.kept)
            if now != progress:
                progress, since = now, time.monotonic()
            if time.monotonic() - since > STUCK:
                told = "\n".join(map(_told, left))
                for pid in left:
                    kill(pid)
                return told
            time.sleep(0.01)
        return ""

    def clean(self) -> None:
        """Nothing that was started stays, whatever happened."""
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                kill(self.pid)
                self.process.wait()
        for pid in _processes(self.work):
            kill(pid)
        for thread in self._threads:
            thread.join()

    # -- its clients ---------------------------------------------------------------------------------------------

    @contextmanager
    def load(self, *, connections: int = 16, padding: int = 0, pages: int = 0) -> Iterator[None]:
        """Requests, for as long as the block lasts.

        `padding`: bytes of the Referer. `pages`: so many are asked for in turn; 0 = each path once.
        """
        program = [servers.require("wrk"), "-t1", f"-c{connections}", "-d1s", "-s", str(self.work / "load.lua")]
        over = threading.Event()
        thread = threading.Thread(target=self._keep_asking, args=(program, padding, pages, over))
        eventually(self.plain.exists, "httpd has opened its logs, which it does after its sockets")
        before = self.plain.stat().st_size
        thread.start()
        try:
            eventually(lambda: self.plain.stat().st_size > before, "requests are logged")
            yield
        finally:
            over.set()
            thread.join()

    def _keep_asking(self, program: list[str], padding: int, pages: int, over: threading.Event) -> None:
        # A new wrk each second: at a graceful httpd leaves connections open that nobody serves (AH03092), for which
        # wrk would wait until it has no other.
        while not over.is_set():
            self._loads += 1
            arguments = [f"load{self._loads}", str(self.vhosts), str(padding), BROWSER, str(pages)]
            command = [*program, f"http://127.0.0.1:{self.port}", "--", *arguments]
            wrk = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while wrk.poll() is None:
                if over.wait(0.02):
                    wrk.terminate()
                    wrk.wait()

    def ask(self) -> None:
        """One request, so that a logger has a line to begin with."""
        self._asked += 1
        assert self.get(f"/p/ask-{self._asked}/") == 200

    def ask_slowly(self, number: int) -> None:
        """So many requests of 2 seconds each, in the background."""
        for _ in range(number):
            self._asked += 1
            self._threads.append(threading.Thread(target=self._slow, args=(f"/slow/{self._asked}/",)))
            self._threads[-1].start()

    def answered(self) -> None:
        """Wait for the slow requests."""
        while self._threads:
            self._threads.pop().join()

    def _slow(self, path: str) -> None:
        try:
            self.get(path)
        except OSError:
            pass  # cut off

    def pages(self) -> Counter[str]:
        """Page -> lines in the plain file."""
        with open(self.plain, "rb") as file:
            return Counter(match[1].decode() for match in map(PAGE.search, file) if match)


def _processes(path: Path) -> dict[int, int]:
    """Processes in whose command line a path stands: pid -> the parent's."""
    mark = os.fsencode(path)
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "cmdline").read_bytes():
                    found[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except OSError:
                pass
    return found


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Whether the process was still there to be sent the signal."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def peak_memory(pid: int) -> float:
    """The most that a process has had in memory, in MB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


def _told(pid: int) -> str:
    """What a process that should have ended is at."""
    told = [f"logger {pid} did not end:"]
    for name in ("status", "wchan"):
        try:
            content = Path(f"/proc/{pid}/{name}").read_text()
            told += [
                line for line in content.splitlines() if name == "wchan" or line[:3] in ("Sta", "PPi", "Sig", "Shd")
            ]
        except OSError:
            pass
    return "\n".join(told)
