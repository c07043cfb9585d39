"""`python -m pipelog` as httpd runs it: a pipe, signals, kills, and stores that fail, all of them real."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from intake_helpers import line, numbered, views

from pipelog.backends.keys import Keys
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.intake.status import Status, read_status
from pipelog.testing import servers
from pipelog.testing.servers import eventually


def lines(pages: list[str]) -> bytes:
    now = time.time()
    return b"".join(line(page, now) for page in pages)


class Logger:
    """A running `python -m pipelog count` with a pipe as standard input."""

    def __init__(self, state: Path, *options: str, env: dict[str, str] | None = None, stdin: int | None = None) -> None:
        self.state = state
        self.errors = open(state.parent / "errors", "ab+")  # noqa: SIM115  # closed by `clean`
        self.read, self.write = os.pipe() if stdin is None else (stdin, -1)
        self.command = [sys.executable, "-P", "-m", "pipelog", "--state", str(state), "--flush", "0.1", *options]
        self.env = {**os.environ, **(env or {})}
        self.start()

    def start(self) -> None:
        """Start one more process on the same pipe, as httpd does within a second of a death."""
        self.process = subprocess.Popen(
            self.command, stdin=self.read, stdout=subprocess.DEVNULL, stderr=self.errors, env=self.env
        )

    def send(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self.write, view) :]

    def worker(self) -> int:
        """The pid of the worker under the supervisor that was started last."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found: list[str] = []
        # Kept as it was read: one that was killed a moment ago may be gone at a second look.
        eventually(lambda: found.extend(path.read_text().split()) or found, "the supervisor has a worker")
        return int(found[0])

    def kill_worker(self) -> None:
        """kill -9 of a worker; of the next one where the one that was found had just been killed."""

        def killed() -> bool:
            try:
                os.kill(self.worker(), signal.SIGKILL)
            except ProcessLookupError:
                return False
            return True

        eventually(killed, "a worker is killed")

    def end(self, within: float = 20) -> int:
        """Close the pipe, wait for the end, return the exit code."""
        if self.write >= 0:
            os.close(self.write)
            self.write = -1
        return self.process.wait(within)

    def said(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode()

    def status(self) -> Status:
        found = read_status(self.state)
        assert found is not None
        return found

    def clean(self) -> None:
        for pid in _children_of_mark(str(self.state)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.errors.close()
        for fd in (self.read, self.write):
            if fd > 2:
                os.close(fd)


def _children_of_mark(mark: str) -> list[int]:
    """Processes whose command line names this test's own state folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(int(entry.name))
            except OSError:
                pass
    return [pid for pid in found if pid != os.getpid()]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def logger(state: Path) -> Iterator[Logger]:
    made = Logger(state)
    yield made
    made.clean()


def counted(state: Path) -> Counter[str]:
    """Page -> views in the state folder's own SQLite backend."""
    with SQLiteBackend(state / "counters.db") as backend:
        return views(backend)


def journaled(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((state / "journal").glob("*.log")))


# -- the plain way -----------------------------------------------------------------------------------------------


def test_lines_are_journaled_counted_and_the_end_is_waited_for(logger: Logger, state: Path) -> None:
    pages = [f"/{number % 50}/" for number in range(5_000)]
    logger.send(lines(pages))
    assert logger.end() == 0
    assert journaled(state).count(b"\n") == 5_000
    assert counted(state) == Counter(pages)
    assert logger.said() == ""


def test_numbers_are_there_while_it_runs(logger: Logger, state: Path) -> None:
    logger.send(lines(["/a/"]))
    eventually(lambda: (state / "counters.db").exists() and counted(state) == {"/a/": 1}, "the view is counted")
    logger.send(lines(["/a/", "/b/"]))
    eventually(lambda: counted(state) == {"/a/": 2, "/b/": 1}, "the next are")
    assert logger.end() == 0


def test_nothing_is_left_behind_before_the_first_line(logger: Logger, state: Path) -> None:
    eventually(lambda: _children(logger.process.pid), "it has a worker")
    logger.process.send_signal(signal.SIGTERM)
    assert logger.end() == 0
    assert not state.exists()


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_last_line_without_newline_counts(logger: Logger, state: Path) -> None:
    logger.send(lines(["/a/", "/b/"]).rstrip(b"\n"))
    assert logger.end() == 0
    assert counted(state) == {"/a/": 1, "/b/": 1}


def test_random_bytes_are_counted_as_bad_lines(logger: Logger, state: Path) -> None:
    content = random.Random(1).randbytes(300_000)
    logger.send(content + b"\n" + lines(["/a/"]))
    assert logger.end() == 0
    assert counted(state) == {"/a/": 1}
    totals = logger.status().totals
    assert totals["bad"] == totals["lines"] - 1 > 500
    assert all(char.isprintable() for char in logger.said().replace("\n", ""))


@pytest.mark.parametrize("kind", ["file", "socket"])
def test_standard_input_may_be_something_else_than_a_pipe(state: Path, tmp_path: Path, kind: str) -> None:
    content = lines([f"/{number}/" for number in range(3_000)])
    if kind == "file":
        (tmp_path / "log").write_bytes(content)
        stdin = os.open(tmp_path / "log", os.O_RDONLY)
    else:
        left, right = socket.socketpair()
        stdin = left.detach()
    logger = Logger(state, stdin=stdin)
    if kind == "socket":
        right.sendall(content)
        right.close()
    assert logger.end() == 0
    assert sum(counted(state).values()) == 3_000
    assert journaled(state) == content
    logger.clean()


def test_a_terminal_is_read_until_ctrl_c_and_says_so(state: Path) -> None:
    import pty

    master, slave = pty.openpty()
    state.parent.mkdir(exist_ok=True)
    with open(state.parent / "said", "wb+") as said:
        command = [sys.executable, "-m", "pipelog", "--state", str(state), "--flush", "0.1"]
        process = subprocess.Popen(command, stdin=slave, stderr=said, start_new_session=True, preexec_fn=_own_terminal)
        os.write(master, lines(["/typed/"]))
        eventually(lambda: (state / "counters.db").exists() and counted(state), "the typed line is counted")
        os.write(master, b"\x03")
        assert process.wait(10) == 0
        said.seek(0)
        content = said.read().decode()
    assert "Ctrl-D ends" in content
    assert "what was read is counted" in content
    os.close(master)
    os.close(slave)


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# -- signals and kills -------------------------------------------------------------------------------------------


def test_signals_of_httpd_end_nothing(logger: Logger, state: Path) -> None:
    logger.send(lines(["/a/"]))
    worker = logger.worker()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        for pid in (logger.process.pid, worker):
            os.kill(pid, number)
    logger.send(lines(["/b/"]))
    eventually(lambda: (state / "counters.db").exists() and len(counted(state)) == 2, "both are counted")
    assert logger.process.poll() is None
    assert logger.end() == 0
    assert counted(state) == {"/a/": 1, "/b/": 1}


def test_term_means_commit_now(state: Path) -> None:
    logger = Logger(state, "--flush", "30")
    logger.send(lines(["/a/"]))
    eventually(lambda: (state / "journal").exists() and journaled(state), "it is journaled")
    time.sleep(0.3)  # longer than the counting thread needs to start, far shorter than a flush
    assert not (state / "counters.db").exists() or not counted(state)
    logger.process.send_signal(signal.SIGTERM)
    eventually(lambda: (state / "counters.db").exists() and counted(state) == {"/a/": 1}, "it is committed")
    logger.send(lines(["/b/"]))
    eventually(lambda: counted(state) == {"/a/": 1, "/b/": 1}, "and what comes after is committed at once")
    assert logger.end() == 0
    logger.clean()


@pytest.mark.parametrize("victim", ["worker", "supervisor", "both"])
def test_kills_lose_and_double_nothing(logger: Logger, state: Path, victim: str) -> None:
    pages, sent = numbered(), []
    for _ in range(12):
        batch = [next(pages) for _ in range(400)]
        sent += batch
        logger.send(lines(batch))
        if victim in ("worker", "both"):
            logger.kill_worker()
        if victim in ("supervisor", "both"):
            logger.process.kill()
            logger.process.wait()
            logger.start()
        batch = [next(pages) for _ in range(100)]
        sent += batch
        logger.send(lines(batch))
    assert logger.end() == 0
    eventually(lambda: not _children_of_mark(str(state)), "orphans have left, too")
    assert counted(state) == Counter(sent)


def test_an_orphan_reads_on_until_there_is_a_successor(logger: Logger, state: Path) -> None:
    logger.send(lines(["/a/"]))
    orphan = logger.worker()
    logger.process.kill()
    logger.process.wait()
    logger.send(lines(["/b/"]))
    eventually(lambda: (state / "counters.db").exists() and len(counted(state)) == 2, "the orphan still counts")
    logger.start()
    logger.send(lines(["/c/"]))
    eventually(lambda: journaled(state).count(b"\n") == 3, "one of them has journaled the line")

    def gone() -> bool:
        logger.send(lines(["/d/"]))
        return not Path(f"/proc/{orphan}").exists()

    eventually(gone, "the orphan has left")
    assert logger.end() == 0
    assert counted(state)["/d/"] == journaled(state).count(b"/d/")
    assert counted(state) - Counter({"/d/": 10**9}) == {"/a/": 1, "/b/": 1, "/c/": 1}


def test_several_pipes_share_one_journal(state: Path) -> None:
    loggers = [Logger(state) for _ in range(4)]
    sent: list[str] = []
    for turn in range(10):
        for number, logger in enumerate(loggers):
            batch = [f"/{number}-{turn}-{n}/" for n in range(100)]
            sent += batch
            logger.send(lines(batch))
    for logger in loggers:
        os.close(logger.write)
        logger.write = -1
    assert [logger.end() for logger in loggers] == [0] * 4
    assert counted(state) == Counter(sent)
    for logger in loggers:
        logger.clean()


def test_a_worker_that_cannot_boot_is_not_started_in_a_storm(state: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pipelog.intake.run as run\n"
        f"def boot(*a, **k):\n    open({str(tmp_path / 'boots')!r}, 'a').write('x')\n    os._exit(3)\n"
        "run.work = boot\n"
    )
    logger = Logger(state, env={"PYTHONPATH": str(tmp_path)})
    logger.send(lines(["/a/"]))
    began = time.monotonic()
    eventually(lambda: (tmp_path / "boots").exists() and (tmp_path / "boots").stat().st_size >= 6, "it is tried again")
    time.sleep(1)
    # The sixth comes after 1.4 s of waiting, those after it a second apart.
    assert (tmp_path / "boots").stat().st_size <= 6 + (time.monotonic() - began)
    assert logger.said().count("starting another") <= 2
    logger.clean()


# -- a line that kills -------------------------------------------------------------------------------------------


def test_a_line_that_kills_its_worker_is_put_aside_and_the_rest_goes_on(state: Path, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n\ndef resolve(path):\n    if 'poison' in path:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n    return path\n"
    )
    env = {"PYTHONPATH": str(tmp_path), "PIPELOG_RESOLVER": "deadly:resolve"}
    logger = Logger(state, env=env)
    before, after = [f"/b{n}/" for n in range(300)], [f"/a{n}/" for n in range(300)]
    logger.send(lines([*before, "/poison/", *after]))
    there = state / "counters.db"
    eventually(lambda: there.exists() and len(counted(state)) == 600, "the rest is counted", within=40)
    assert logger.end() == 0
    assert counted(state) == Counter(before + after)
    (aside,) = (state / "quarantine").iterdir()
    assert b"/poison/" in aside.read_bytes()
    assert aside.read_bytes().count(b"\n") == 1
    assert logger.status().totals["quarantined"] == 1
    assert "put aside" in logger.said()
    logger.clean()
    # As `pipelog check` tells: mend it, move the file away, replay.
    (tmp_path / "deadly.py").write_text("def resolve(path):\n    return path\n")
    aside.rename(tmp_path / "aside.log")
    command = [sys.executable, "-m", "pipelog", "replay", "--state", str(state)]
    subprocess.run(command, env={**os.environ, **env}, check=True, timeout=30)
    assert counted(state) == Counter([*before, "/poison/", *after])


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--backend", "nosuch://x"), "there is no backend nosuch: known are"),
        (("--format", "%h %Q"), "position 3"),
        (("--backend", "memcached://u:secret@h"), "memcached"),
    ],
)
def test_what_cannot_be_used_is_said_once_and_the_log_is_kept(
    state: Path, options: tuple[str, ...], words: str
) -> None:
    logger = Logger(state, *options)
    content = lines(["/a/"])
    logger.send(content)
    assert logger.end() == 1
    said = logger.said()
    assert words in said
    assert "secret" not in said
    assert journaled(state) == content
    assert len(said.splitlines()) <= 2
    logger.clean()
    later = Logger(state)
    later.send(lines(["/b/"]))
    assert later.end() == 0
    assert counted(state) == {"/a/": 1, "/b/": 1}
    later.clean()


def test_a_state_folder_that_anyone_may_write_to_is_refused(state: Path) -> None:
    state.mkdir(parents=True)
    state.chmod(0o777)
    logger = Logger(state)
    logger.send(lines(["/a/"]))
    assert logger.end() == 1
    assert "may be written by anyone" in logger.said()
    logger.clean()


# -- stores ------------------------------------------------------------------------------------------------------


def test_a_store_that_is_down_is_waited_for(state: Path) -> None:
    with servers.memcached() as server:
        port = server.address[1]
        server.stop()
        logger = Logger(state, "--backend", f"memcached://127.0.0.1:{port}")
        logger.send(lines(["/a/"]))
        eventually(lambda: (state / "journal").exists() and journaled(state), "the line is kept")
        eventually(lambda: "lines wait in the journal" in logger.said(), "it is said")
        with servers.memcached(port=int(port)) as again:
            eventually(lambda: b"1" in _get(again, "/a/"), "the line is counted when the store is there")
            logger.send(lines(["/b/"]))
            assert logger.end() == 0
            assert b"1" in _get(again, "/b/")
        logger.clean()


def test_reloads_while_the_store_is_down_leave_nobody_waiting(state: Path) -> None:
    """httpd ends one logger and starts the next each time; all of their lines are the last one's to count."""
    with servers.memcached() as server:
        backend = ("--backend", server.url + "?timeout=0.2&connect_timeout=0.2")
        loggers = [Logger(state, *backend)]
        loggers[0].send(lines(["/0/"]))
        eventually(lambda: _get(server, "/0/") == b"1", "the first leads")
        server.pause()
        for number in range(1, 4):
            loggers.append(Logger(state, *backend))
            loggers[-1].send(lines([f"/{number}/"]))
            eventually(lambda number=number: journaled(state).count(b"\n") == number + 1, "it is journaled")  # type: ignore[misc]
            assert loggers[-2].end() == 0
        os.close(loggers[-1].write)
        loggers[-1].write = -1
        time.sleep(0.5)
        assert loggers[-1].process.poll() is None, "the last one waits for the store"
        server.resume()
        assert loggers[-1].end() == 0
        assert [_get(server, f"/{number}/") for number in range(4)] == [b"1"] * 4
        for logger in loggers:
            logger.clean()


def test_a_store_that_lost_its_memory_is_filled_again(state: Path) -> None:
    with servers.memcached() as server:
        logger = Logger(state, "--backend", server.url)
        pages = [f"/{number}/" for number in range(200)]
        logger.send(lines(pages))
        # By the status, which is written when the commit is over: emptied in its midst, a store keeps what came after.
        eventually(lambda: _counted(state) == 200, "all is counted")
        server.ask(b"flush_all")
        eventually(lambda: all(_get(server, page).strip() == b"1" for page in pages), "all is counted again")
        assert "lost its memory" in logger.said()
        logger.send(lines(pages))
        assert logger.end() == 0
        assert all(_get(server, page).strip() == b"2" for page in pages)
        logger.clean()


def _counted(state: Path) -> int:
    status = read_status(state)
    return status.totals["lines"] if status else 0


def _get(server: servers.MemcachedServer, page: str) -> bytes:
    from datetime import date

    from pipelog.model import Coordinate

    key = Keys("pipelog").counter(Coordinate(date.fromtimestamp(time.time()), "", page, "views", ""))
    with server.connect() as connection:
        connection.sendall(f"get {key}\r\n".encode())
        stream: IO[bytes] = connection.makefile("rb")
        head = stream.readline()
        return stream.readline().strip() if head.startswith(b"VALUE") else b""


def test_a_database_that_is_none_is_said_and_nothing_in_it_is_changed(state: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("no database at all\n" * 100)
    logger = Logger(state, "--backend", f"sqlite://{path}")
    logger.send(lines(["/a/"]))
    assert logger.end() == 1
    assert f"{path}" in logger.said()
    assert path.read_text() == "no database at all\n" * 100
    logger.clean()


# -- a full disk -------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=750", "tmpfs", folder]).returncode:
        servers.missing("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_disk_is_said_and_httpd_goes_on(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    logger = Logger(small_disk)
    logger.send(lines(["/a/"] * 2_000))
    assert logger.end() == 1
    assert logger.said().count("\n") == 1
    assert "read-only file system; give --state another" in logger.said()
    logger.clean()


def test_an_archive_on_a_read_only_disk_is_counted_without_it(state: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    logger = Logger(state, "--archive", str(small_disk / "%Y-%m-%d.log"))
    logger.send(lines(["/a/"] * 2_000))
    eventually(lambda: counted(state) == {"/a/": 2_000}, "the lines are counted from memory")
    assert "Read-only file system: counting without it" in logger.said()
    assert logger.end() == 0
    logger.clean()


def test_a_full_disk_stops_neither_httpd_nor_the_counting(state: Path, small_disk: Path) -> None:
    logger = Logger(state, "--archive", str(small_disk / "%Y-%m-%d.log"))
    pages, sent = numbered(), []
    for _ in range(40):
        batch = [next(pages) for _ in range(100)]
        sent += batch
        logger.send(lines(batch))
    eventually(
        lambda: (Counter(sent) - counted(state)).total() <= 1,
        "all is counted though most cannot be kept, but for the line whose first half stands in the file",
    )
    assert "No space left" in logger.said()
    eventually(lambda: 2_000 < logger.status().totals["unwritten"] < 4_000, "the status tells of the lines not kept")
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    time.sleep(1.2)  # the disk is tried once a second
    batch = [next(pages) for _ in range(100)]
    sent += batch
    logger.send(lines(batch))
    assert logger.end() == 0
    assert counted(state) == Counter(sent)
    assert batch[-1].encode() in b"".join(path.read_bytes() for path in small_disk.glob("*.log"))
    assert logger.status().totals["bad"] == 0
    logger.clean()


def test_a_storm_of_signals_stops_nothing(logger: Logger, state: Path) -> None:
    # A handler that takes a lock waits for itself when a second signal interrupts it there.
    logger.send(lines(["/a/"]))
    worker = logger.worker()
    for _ in range(20_000):
        os.kill(worker, signal.SIGTERM)
    logger.send(lines(["/b/"]))
    assert logger.end() == 0
    assert counted(state) == {"/a/": 1, "/b/": 1}


@pytest.mark.parametrize("how", ["setting", "usage", "folder"])
def test_a_logger_that_cannot_start_does_not_hold_up_httpd(state: Path, how: str) -> None:
    environment = {"PIPELOG_BAKEND": "x"} if how == "setting" else {}
    if how == "folder":
        state.mkdir(parents=True)
        state.chmod(0o777)
    logger = Logger(state, *(["--bakend", "x"] if how == "usage" else []), env=environment)
    logger.send(lines(["/a/"] * 20_000))  # far more than a pipe holds
    assert logger.process.poll() is None
    assert logger.end() == (2 if how == "usage" else 1)
    assert logger.said().count("\n") == 1
    assert "thrown away" in logger.said() or how == "usage"
    logger.clean()
