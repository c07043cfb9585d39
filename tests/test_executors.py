"""The rollup over cores and machines: any executor gives what one process gives."""

from __future__ import annotations

import errno
import os
import random
import runpy
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from cli_helpers import EXAMPLES, PIPELOG, environment
from hypothesis import given
from hypothesis import strategies as st

from pipelog import daily
from pipelog.counting.rules import Rules
from pipelog.daily import Count, LogPart, count_files
from pipelog.errors import LogFileError

DAY = date(2026, 11, 22)
AGENTS = [*["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"] * 3, "curl/8"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """60,000 lines, a few of them bad, with referrers and campaigns."""
    path = tmp_path_factory.mktemp("logs") / "access.log"
    rnd = random.Random(7)
    with path.open("w") as file:
        for number in range(60_000):
            if number % 9_000 == 8_999:
                file.write("no log line\n")
            file.write(
                f"192.0.2.{rnd.randrange(250)} - - [22/Nov/2026:{number // 2500:02}:{rnd.randrange(60):02}:00 +0000]"
                f' "GET /{int(rnd.paretovariate(0.7)) % 3000}/?utm_source=s{rnd.randrange(9)} HTTP/1.1"'
                f' {rnd.choice((200, 200, 304, 404))} {rnd.randrange(9000)} "https://h{rnd.randrange(50)}.example/"'
                f' "{rnd.choice(AGENTS)}"\n'
            )
    return str(path)


@contextmanager
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2) as executor:
        yield executor


@contextmanager
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as executor:
        yield executor


@contextmanager
def dask() -> Iterator[Executor]:
    """A cluster of real worker processes on this machine."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
        client.get_executor(pure=False) as executor,
    ):
        yield executor


@pytest.mark.parametrize("made", [processes, threads, dask], ids=lambda made: made.__name__)
def test_any_executor_gives_the_same(log: str, made: type) -> None:
    alone = count_files([log], [DAY])
    assert len(alone.tally) > 9_000
    assert (alone.bad, len(alone.bad_places)) == (6, 5)
    told: list[int] = []
    with made() as executor:
        assert count_files([log], [DAY], executor=executor, task_size=1 << 20, progress=told.append) == alone
        assert len(told) > 5
        with pytest.raises(LogFileError, match="absent"):
            count_files([log, log + ".absent"], [DAY], executor=executor)


def test_the_example_on_dask_is_a_factory_for_the_command(log: str, tmp_path: Path) -> None:
    day = "2026-11-22"
    path = {"PYTHONPATH": str(EXAMPLES / "executors")}
    alone, there = (
        subprocess.run(
            [*PIPELOG, "rollup", day, log, "--dry-run", *options],
            env=environment(state=str(tmp_path)) | path,
            capture_output=True,
            text=True,
            check=False,
        )
        for options in (["--jobs", "1"], ["--executor", "on_dask:executor"])
    )
    assert (there.returncode, there.stderr) == (0, alone.stderr)
    assert "60,000 lines" in there.stderr


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A rollup whose two processes wait for their logs, which never come."""
    logs = [str(tmp_path / name) for name in "abcdef"]
    for log in logs:
        os.mkfifo(log)
    command = subprocess.Popen(
        [*PIPELOG, "rollup", "2026-11-22", *logs, "--jobs", "2", "--dry-run"],
        env=environment(state=str(tmp_path)),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    writers = [_writer(log) for log in logs[:2]]
    yield command
    command.kill()
    for writer in writers:
        os.close(writer)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_processes_of_a_command_that_is_killed_end_with_it(
    stuck: subprocess.Popen[bytes], number: signal.Signals, code: int
) -> None:
    stuck.send_signal(number)
    _, said = stuck.communicate(timeout=10)  # until the last of them has let go of it
    assert (stuck.returncode, said) == (code, b"")


def test_ctrl_c_ends_a_rollup_at_once(stuck: subprocess.Popen[bytes]) -> None:
    os.killpg(stuck.pid, signal.SIGINT)  # as a terminal does
    _, said = stuck.communicate(timeout=10)
    assert (stuck.returncode, said) == (130, b"")


def test_a_rollup_whose_process_is_killed_says_so_in_one_line(stuck: subprocess.Popen[bytes]) -> None:
    processes = Path(f"/proc/{stuck.pid}/task/{stuck.pid}/children").read_text().split()
    os.kill(int(processes[0]), signal.SIGKILL)
    _, said = stuck.communicate(timeout=10)
    assert (stuck.returncode, said.count(b"\n")) == (1, 1)
    assert said.startswith(b"pipelog: a process that counted was killed")


def _writer(fifo: str) -> int:
    """The other end of a pipe, once somebody reads from it."""
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.01)


def test_processes_that_import_the_main_module_do_not_run_it() -> None:
    assert "main" in runpy.run_module("pipelog.__main__", run_name="__mp_main__")


def test_a_process_that_has_counted_before_counts_the_same(log: str) -> None:
    capped = Rules(max_pages=10, max_values=2)
    with ThreadPoolExecutor(1) as executor:
        first, second, third = (
            count_files([log], [DAY], rules=r, executor=executor, task_size=1 << 20) for r in (Rules(), capped, Rules())
        )
    assert first == third
    assert first != second


def test_a_fault_stops_what_has_not_begun(log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[Future[daily.Counted]] = []
    all_submitted = threading.Event()
    monkeypatch.setattr(daily, "as_completed", lambda tasks: all_submitted.set() or as_completed(tasks))

    class Watched(ThreadPoolExecutor):
        def submit(self, task, part):  # type: ignore[no-untyped-def]
            submitted.append(super().submit(lambda: all_submitted.wait() and task(part)))
            return submitted[-1]

    bad = tmp_path / "bad.gz"
    bad.write_bytes(b"\x1f\x8b damaged")
    with Watched(1) as executor, pytest.raises(LogFileError, match="damaged"):
        count_files([str(bad), log], [DAY], executor=executor, task_size=1 << 18)
    assert sum(task.cancelled() for task in submitted) >= len(submitted) - 3 > 10


def test_an_executor_is_closed_before_its_last_results_are_added_up(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    add, shutdown = daily.Count.add, ThreadPoolExecutor.shutdown
    monkeypatch.setattr(daily.Count, "add", lambda *given: told.append("add") or add(*given))
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", lambda *given: told.append("closed") or shutdown(*given))
    alone = count_files([log], [DAY])
    parts = 6
    size = os.path.getsize(log) // parts
    assert count_files([log], [DAY], executor=ThreadPoolExecutor(2), task_size=size, close=True) == alone
    assert told == ["add"] * (parts - daily.HELD) + ["closed"] + ["add"] * daily.HELD
    told.clear()
    executor = ThreadPoolExecutor(2)
    assert count_files([log], [DAY], executor=executor, task_size=size) == alone
    assert told == ["add"] * parts
    executor.shutdown()


def test_lines_before_a_part_are_counted_for_few_bad_ones(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[LogPart] = []
    monkeypatch.setattr(daily, "lines_before", lambda part: counted.append(part) or 0)
    with ThreadPoolExecutor(2) as executor:
        count = count_files([log], [DAY], executor=executor, task_size=1 << 19)
    assert (count.bad, counted) == (6, [])  # each of them in a part of its own
    assert len(count.bad_places) == len(counted) == daily.PLACES


def test_counts_travel_whole(log: str, tmp_path: Path) -> None:
    import pickle

    count = count_files([log], [DAY])
    assert pickle.loads(pickle.dumps(count)) == count
    assert pickle.loads(pickle.dumps(Count())) == Count()
    of_a_program = tmp_path / "access.log"  # its words are looked at, and count for nothing
    line = '192.0.2.1 - - [22/Nov/2026:10:00:00 +0000] "GET /{} HTTP/1.1" 200 1 "-" "{}"\n'
    of_a_program.write_text(line.format("", AGENTS[0]) + line.format("?utm_source=a&utm_term=b", "curl/8"))
    count = count_files([of_a_program], [DAY])
    assert pickle.loads(pickle.dumps(count)) == count
    assert all(type(coordinate).__name__ == "Coordinate" for coordinate in pickle.loads(pickle.dumps(count)).tally)
    assert LogPart("a") == ("a", 0, None)


LINES = st.builds(
    '192.0.2.{} - - [{}/Nov/2026:10:{:02}:00 +0000] "GET {} HTTP/1.1" {} 7 "{}" "{}"\n'.format,
    st.integers(0, 3),
    st.sampled_from((22, 22, 22, 23)),
    st.integers(0, 3),
    st.sampled_from(("/", "/a", "/b?utm_source=x", "/c?utm_source=y&utm_term=w", "/d.png", "//a", "/e f")),
    st.sampled_from((200, 304, 404, 500)),
    st.sampled_from(("-", "https://www.google.com/search?q=word", "https://h.example/")),
    st.sampled_from((*AGENTS, "-")),
) | st.sampled_from(("no log line\n", "\n"))


@given(
    st.lists(LINES, max_size=60),
    st.integers(200, 4_000),
    st.integers(1, 40),
    st.sampled_from((Rules(), Rules(max_pages=2), Rules(max_names=9), Rules(visitors=True))),
)
def test_parts_and_tasks_of_any_size_add_up_to_the_whole(lines: list[str], size: int, names: int, rules: Rules) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        log = Path(folder, "access.log")
        log.write_text("".join(lines))
        alone = count_files([log], [DAY], rules=rules)
        patched.setattr(daily, "TASK_NAMES", names)
        patched.setattr(daily, "CHUNK", 300)
        with ThreadPoolExecutor(2) as executor:
            apart = count_files([log], [DAY], rules=rules, executor=executor, task_size=size, ahead=3)
        if rules.visitors:  # whose keys are others each time
            assert apart.tally == alone.tally
            assert apart.sketches.keys() == alone.sketches.keys()
        else:
            assert apart == alone
