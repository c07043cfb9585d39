"""Faults of the intake that a review looked for: each is one that lost lines, doubled them, or stopped the counting."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import pytest
from intake_helpers import NOON, Clock, MemoryBackend, Pipe, Stepper, line, plan, views

from pipelog.daily import LogPart, count_files
from pipelog.errors import BackendUnavailable
from pipelog.intake.counting import JournalCounter
from pipelog.intake.follower import Follower
from pipelog.intake.journal import JournalReader, Manifest, Position, files_of_days
from pipelog.intake.plan import Plan
from pipelog.intake.retention import remove_counted
from pipelog.intake.run import prepare_state
from pipelog.intake.supervisor import open_standard_descriptors, supervise
from pipelog.intake.suspicion import Suspicion
from pipelog.intake.worker import Intake
from pipelog.intake.writer import Writer
from pipelog.parsing.columns import Columns
from pipelog.testing import servers
from pipelog.testing.servers import eventually

DAY = 86_400


def manifest_of(state: Path) -> Manifest:
    manifest = Manifest(state)
    manifest.refresh()
    return manifest


# -- lines that kill ---------------------------------------------------------------------------------------------


class Death(BaseException):
    """What a kill is to a worker, in a test that goes on."""


class Deadly:
    """A log format that some lines end the worker in."""

    def __init__(self, counter: JournalCounter) -> None:
        self._format = counter._format

    def columns(self, lines: bytes, *, hosts: bool) -> Columns:
        if b"poison" in lines:
            raise Death
        return self._format.columns(lines, hosts=hosts)


def live_on(made: Plan, lives: int) -> int:
    """Start one follower after the other until one gets through; how many died."""
    for life in range(lives):
        stepper = Stepper(made)
        stepper.counter._format = Deadly(stepper.counter)  # type: ignore[assignment]
        try:
            stepper.run()
            return life
        except Death:
            pass
        finally:
            stepper.close()
    raise AssertionError(f"{lives} followers died")


def test_several_lines_that_kill_are_all_put_aside(tmp_path: Path) -> None:
    made = plan(tmp_path, backend := MemoryBackend(), clock := Clock())
    pipe = Pipe(tmp_path, made.archive, clock)
    pages = ["/a/", "/poison-1/", "/b/", "/poison-2/", "/poison-3/", "/c/"]
    pipe.send(b"".join(line(page) for page in pages))
    assert live_on(made, 20) == 10  # one for the whole chunk, three for each line
    assert views(backend) == {"/a/": 1, "/b/": 1, "/c/": 1}
    assert len(list((tmp_path / "quarantine").iterdir())) == 3
    backend.forget("")
    assert live_on(made, 20) <= 1  # the store is filled again: they are known
    assert views(backend) == {"/a/": 1, "/b/": 1, "/c/": 1}


def test_a_line_put_aside_is_not_counted_when_a_batch_is_taken_back(tmp_path: Path) -> None:
    made = plan(tmp_path, backend := MemoryBackend(), clock := Clock())
    pipe = Pipe(tmp_path, made.archive, clock)
    pipe.send(line("/a/"))
    live_on(made, 1)
    pipe.send(line("/b/") + line("/poison/") + line("/c/"))
    assert live_on(made, 20) == 4
    # The store is emptied right before its last batch, which then stands alone in it.
    for key in [*backend._documents, *(key for key, _ in backend.scan(""))]:
        if "=sentinel" in key or "/a/" in key:
            backend.forget(key)
    assert live_on(made, 20) == 0
    assert views(backend) == {"/a/": 1, "/b/": 1, "/c/": 1}


# -- disks that refuse -------------------------------------------------------------------------------------------


def test_marks_that_cannot_be_written_stop_no_counting(tmp_path: Path) -> None:
    suspicion = Suspicion(os.open("/dev/full", os.O_RDWR), tmp_path)
    assert suspicion.begin(Position(1, 0), Position(1, 9))
    suspicion.survived()


class Memory:
    """What the main thread needs of the follower, and no more."""

    def __init__(self) -> None:
        self.lines = b""
        self.waited_for: list[Position] = []

    def hurry(self) -> None:
        """Nothing is slow here."""

    def count_directly(self, lines: bytes) -> None:
        self.lines += lines

    def finish(self, end: Position) -> int:
        self.waited_for.append(end)
        return 0


def test_an_input_without_any_journal_is_counted_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelog.intake.worker.RETRY", 0.01)
    (tmp_path / "file").write_text("")  # a state folder cannot be made in it
    read, write = os.pipe()
    os.write(write, line("/a/") + line("/b/").rstrip())
    os.close(write)
    writer = Writer(tmp_path / "file" / "state", "/nowhere/%F.log", source=read)
    memory = Memory()
    assert Intake(writer, memory, source=read).run() == 0
    assert memory.lines == line("/a/") + line("/b/")
    assert memory.waited_for == [Position(0, 0)]
    os.close(read)


def test_a_last_line_that_cannot_be_ended_does_not_keep_the_rest_from_being_waited_for(tmp_path: Path) -> None:
    class Full(Writer):
        def end_line(self) -> None:
            raise OSError(28, "No space left on device")

    read, write = os.pipe()
    os.write(write, b"whole\nhalf")
    os.close(write)
    memory = Memory()
    assert Intake(Full(tmp_path, str(tmp_path / "log"), source=read), memory, source=read).run() == 0
    assert memory.waited_for == [Position(1, len(b"whole\n"))]
    os.close(read)


def test_a_journal_that_cannot_be_read_is_waited_for(tmp_path: Path) -> None:
    state, path = tmp_path / "state", tmp_path / "state" / "journal" / "log"
    command = [sys.executable, "-P", "-m", "pipelog", "--state", str(state), "--archive", str(path)]
    first = subprocess.run([*command, "--flush", "0.1"], input=line("/a/", time.time()), timeout=20)
    assert first.returncode == 0
    path.rename(state / "aside")
    path.mkdir()
    with open(tmp_path / "errors", "wb+") as errors:
        process = subprocess.Popen([*command, "--flush", "0.1"], stdin=subprocess.PIPE, stderr=errors)
        assert process.stdin
        process.stdin.write(line("/b/", time.time()))
        process.stdin.flush()
        eventually(lambda: b"lines wait" in (tmp_path / "errors").read_bytes(), "it is said")
        path.rmdir()
        (state / "aside").rename(path)
        process.stdin.close()
        assert process.wait(20) == 0
        assert b"starting another" not in (tmp_path / "errors").read_bytes()


def test_a_state_folder_that_is_refused_does_not_stop_httpd(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    read, write = os.pipe()
    os.set_blocking(write, False)
    command = [sys.executable, "-P", "-m", "pipelog", "--state", str(state)]
    process = subprocess.Popen(command, stdin=read, stderr=subprocess.PIPE)
    left = [line("/a/", time.time()) * 20] * 200  # 600 kB, and a pipe holds 64

    def all_sent() -> bool:
        while left:
            try:
                os.write(write, left[-1])
            except BlockingIOError:
                return False
            left.pop()
        return True

    eventually(all_sent, "everything is read")
    os.close(write)
    said = process.communicate(timeout=10)[1].decode()
    assert process.returncode == 1
    assert "may be written by anyone" in said
    assert len(said.splitlines()) == 1
    assert list(state.iterdir()) == []
    os.close(read)


# -- descriptors -------------------------------------------------------------------------------------------------


def test_files_never_become_standard_input_output_or_error() -> None:
    pid = os.fork()
    if pid == 0:
        for fd in range(3):
            os.close(fd)
        open_standard_descriptors()
        os._exit(os.open("/", os.O_RDONLY))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) > 2


# -- files that come, go and come again --------------------------------------------------------------------------


def test_a_file_renamed_under_the_reader_is_read_to_its_end(tmp_path: Path) -> None:
    made = plan(tmp_path, MemoryBackend(), clock := Clock())
    pipe = Pipe(tmp_path, made.archive, clock)
    pipe.send(b"one\n")
    reader = JournalReader(manifest_of(tmp_path), Position(0, 0))
    assert reader.read(100) == b"one\n"
    pipe.send(b"two\n")
    path = tmp_path / "journal" / "2026-11-22.log"
    path.rename(path.with_suffix(".1"))
    pipe.send(b"three\n")
    assert reader.read(100) + reader.read(100) == b"two\nthree\n"


def test_a_file_that_came_again_shorter_is_rolled_up_once(tmp_path: Path) -> None:
    made = plan(tmp_path, MemoryBackend(), clock := Clock())
    path = tmp_path / "journal" / "2026-11-22.log"
    path.parent.mkdir()
    path.write_bytes(b"not ours\n" * 10)
    pipe = Pipe(tmp_path, made.archive, clock)
    pipe.send(line("/gone/"))
    path.unlink()
    pipe.send(line("/here/"))
    day = date.fromtimestamp(NOON)
    count = count_files([LogPart(*file) for file in files_of_days(tmp_path, day, day)], [day])
    assert count.lines == 1


def test_a_removal_that_was_killed_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(tmp_path, MemoryBackend(), clock := Clock())
    pipe = Pipe(tmp_path, made.archive, clock)
    for number in range(4):
        pipe.send(b"%d\n" % number)
        clock.now += DAY
    counted = Position(4, 0)
    for step in ("unlink", "replace"):  # killed before the first removal, and before the manifest is written

        def die(*arguments: object) -> None:
            raise Death

        with monkeypatch.context() as patch:
            patch.setattr(os, step, die)
            with pytest.raises(Death):
                remove_counted(tmp_path, manifest_of(tmp_path), counted, older_than=clock.now)
    remove_counted(tmp_path, manifest_of(tmp_path), counted, older_than=clock.now)
    assert [path.name for path in (tmp_path / "journal").glob("*.log")] == ["2026-11-25.log"]
    assert len(manifest_of(tmp_path).segments) == 1


# -- clocks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [40 * 365 * DAY, 10 * DAY, -10 * DAY, -56 * 365 * DAY])
def test_a_clock_that_was_wrong_for_a_moment_does_no_lasting_harm(tmp_path: Path, step: int) -> None:
    made = plan(tmp_path, backend := MemoryBackend(), clock := Clock())
    pipe = Pipe(tmp_path, made.archive, clock)
    pipe.send(line("/before/", clock.now))
    clock.now += step
    pipe.send(line("/amid/", clock.now))
    clock.now += 60 - step
    pipe.send(line("/after/", clock.now))
    stepper = Stepper(made)
    stepper.run()
    assert views(backend)["/before/"] == views(backend)["/after/"] == 1
    assert remove_counted(tmp_path, manifest_of(tmp_path), Position(9, 0), older_than=clock.now - 2 * DAY) == []
    clock.now += DAY
    pipe.send(line("/next/", clock.now))
    stepper.run()
    for moment, pages in ((NOON, {"/before/", "/after/"}), (clock.now, {"/next/"})):
        day = date.fromtimestamp(moment)
        count = count_files([LogPart(*file) for file in files_of_days(tmp_path, day, day)], [day])
        assert {c[2] for c in count.tally if c[3] == "views"} == pages
    backend.forget("")
    stepper.run()
    stepper.run()
    assert views(backend)["/after/"] == views(backend)["/next/"] == 1
    assert (tmp_path / "journal" / "2026-11-23.log").exists()


# -- processes and rights ----------------------------------------------------------------------------------------


def test_a_worker_killed_by_a_signal_without_a_name_is_followed_by_another() -> None:
    lives: list[int] = []

    def fork() -> int:
        lives.append(1)
        pid = os.fork()
        if pid == 0 and len(lives) == 1:
            os.kill(os.getpid(), 40)
        return pid

    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
    try:
        assert supervise(lambda progress: 0, fork=fork) == 0
        assert len(lives) == 2
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_every_folder_made_for_a_user_is_the_users(tmp_path: Path) -> None:
    if os.geteuid():
        servers.missing("becoming another user needs root")
    outer = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    outer.chmod(0o755)
    state = outer / "made" / "state"
    pid = os.fork()
    if pid == 0:
        try:
            prepare_state(state, "nobody")
            (state / "file").write_text("")
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    shutil.rmtree(outer)


# -- lines counted from memory -----------------------------------------------------------------------------------


class Down(MemoryBackend):
    """A store that does not answer until it is told to."""

    up = False

    def documents(self, keys: object) -> dict[str, bytes]:
        if not self.up:
            raise BackendUnavailable("down")
        return super().documents(keys)  # type: ignore[arg-type]


def test_lines_in_memory_are_counted_though_the_journal_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "segments").write_bytes(b"damaged\n")
    follower = Follower(plan(tmp_path, backend := MemoryBackend(), Clock(), flush=0.02))
    follower.count_directly(line("/direct/"))
    follower.start()
    eventually(lambda: views(backend) == {"/direct/": 1}, "the line is counted")


def test_lines_in_memory_take_no_more_room_while_the_store_is_down(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, str(tmp_path / "journal" / "log"), Clock())
    pipe.send(line("/one/"))
    follower = Follower(plan(tmp_path, backend := Down(), Clock(), flush=0.02))
    for _ in range(50):
        follower.count_directly(line("/direct/"))
    follower.start()
    eventually(lambda: not follower._direct, "the lines became counts, which are bounded")
    backend.up = True
    assert follower.finish(pipe.writer.end()) == 0
    assert views(backend) == {"/direct/": 50, "/one/": 1}


def test_several_loggers_make_the_state_folder_at_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from pipelog.intake.run import prepare_state

    before = os.umask(0o022)
    try:
        with ThreadPoolExecutor(8) as executor:
            for number in range(100):
                state = tmp_path / str(number) / "a" / "b" / "state"
                for done in [executor.submit(prepare_state, state) for _ in range(8)]:
                    done.result()
    finally:
        os.umask(before)
