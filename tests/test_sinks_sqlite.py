"""SQLiteSink: the conformance suite, and what is SQLite's own."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelog.errors import LocationError, StoreError
from pipelog.locators import Location
from pipelog.model import DailyCount
from pipelog.sinks.sqlite import SCHEMA_VERSION, SQLiteSink
from pipelog.testing.sinks import DAY, SinkSuite, everything, row


class TestSuite(SinkSuite):
    def make_sink(self, tmp_path: Path) -> SQLiteSink:
        return SQLiteSink(tmp_path / "new" / "folder" / "history.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.db"


@pytest.fixture
def sink(path: Path) -> Iterator[SQLiteSink]:
    with SQLiteSink(path, timeout=0.05) as sink:
        yield sink


def test_from_location(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/history.db?timeout=2.5"
    with SQLiteSink.from_location(Location.parse(url)) as sink:
        assert list(tmp_path.iterdir()) == []
        sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
        assert sink.path == tmp_path / "history.db"
        assert everything(sink) == [row("/a", 5)]
    for bad in ("sqlite:///h.db?wal=no", "sqlite:///h.db?timeout=-1", "sqlite://host/h.db", "sqlite:"):
        with pytest.raises(LocationError):
            SQLiteSink.from_location(Location.parse(bad))


def test_modes_of_folder_and_files(sink: SQLiteSink, path: Path) -> None:
    before = os.umask(0o022)
    try:
        sink.replace_day(DAY, "web1", [row()], lines=1)
        assert everything(sink) == [row()]
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [path.parent, *path.parent.iterdir()]}
    finally:
        os.umask(before)
    assert modes.pop("state") == 0o750
    assert set(modes.values()) == {0o640}


def test_one_file_when_nobody_reads(sink: SQLiteSink, path: Path) -> None:
    sink.replace_day(DAY, "web1", [row()], lines=1)
    assert [p.name for p in path.parent.iterdir()] == ["history.db"]
    everything(sink)
    sink.close()
    assert [p.name for p in path.parent.iterdir()] == ["history.db"]


def test_write_ahead_log_and_no_leftovers(sink: SQLiteSink, path: Path) -> None:
    sink.replace_day(DAY, "web1", [row()], lines=1)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    tables = {name for [name] in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert tables == {"name", "series", "hit", "day"}


# -- files that cannot be used as they are --


def _empty(path: Path) -> None:
    path.touch()


def _text(path: Path) -> None:
    path.write_text("these are the notes of somebody, and no database at all\n" * 100)


def _foreign(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (x)")
    database.close()


def _foreign_with_mark(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA application_id = 77")
    database.close()


def _later(path: Path) -> None:
    with SQLiteSink(path) as sink:
        sink.replace_day(DAY, "web1", [row()], lines=1)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_text, "not a database"),
        (_foreign, "another program's database"),
        (_foreign_with_mark, "another program's database"),
        (_later, f"version {SCHEMA_VERSION + 1}"),
        (_folder, "unable to open"),
    ],
)
def test_refused_files(sink: SQLiteSink, path: Path, make: object, message: str) -> None:
    path.parent.mkdir()
    make(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else b""
    for action in (
        lambda: everything(sink),
        sink.days,
        lambda: sink.totals(DAY, DAY, site="", pages=["/"], dimension="views"),
        lambda: sink.replace_day(DAY, "web1", [row()], lines=1),
    ):
        with pytest.raises(StoreError, match=message) as caught:
            action()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_an_empty_file_is_an_empty_history(sink: SQLiteSink, path: Path) -> None:
    path.parent.mkdir()
    _empty(path)
    assert everything(sink) == []
    assert path.stat().st_size == 0
    sink.replace_day(DAY, "web1", [row()], lines=1)
    assert everything(sink) == [row()]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sink = SQLiteSink(tmp_path / "file" / "history.db")
    assert everything(sink) == []
    with pytest.raises(StoreError, match=r"file/history\.db"):
        sink.replace_day(DAY, "web1", [row()], lines=1)


def test_a_damaged_file(sink: SQLiteSink, path: Path) -> None:
    sink.replace_day(DAY, "web1", (row(f"/{n}") for n in range(2_000)), lines=1)
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    with pytest.raises(StoreError, match=r"history\.db: .*malformed.*; move the file away"):
        everything(sink)


def test_a_writer_is_waited_for_so_long(sink: SQLiteSink, path: Path) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 1)], lines=1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked; another process is writing"):
        sink.replace_day(DAY, "web1", [row("/a", 2)], lines=2)
    assert everything(sink) == [row("/a", 1)]  # readers do not wait
    other.execute("ROLLBACK")
    other.close()
    sink.replace_day(DAY, "web1", [row("/a", 2)], lines=2)
    assert everything(sink) == [row("/a", 2)]


def test_a_count_too_large_changes_nothing(sink: SQLiteSink) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 1)], lines=1)
    with pytest.raises(OverflowError):
        sink.replace_day(DAY, "web1", [row("/a", 2**63)], lines=2)
    assert everything(sink) == [row("/a", 1)]


# -- the file may change under an open sink --


def test_a_removed_file_is_an_empty_history(sink: SQLiteSink, path: Path) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
    assert everything(sink) == [row("/a", 5)]
    for file in path.parent.iterdir():
        file.unlink()
    assert everything(sink) == []
    sink.replace_day(DAY, "web1", [row("/a", 1)], lines=1)
    assert everything(sink) == [row("/a", 1)]


def test_a_replaced_file_is_the_new_history(sink: SQLiteSink, path: Path, tmp_path: Path) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
    assert everything(sink) == [row("/a", 5)]
    with SQLiteSink(tmp_path / "other.db") as other:
        other.replace_day(DAY, "web1", [row("/b", 7)], lines=5)
    for file in path.parent.iterdir():
        file.unlink()
    os.replace(tmp_path / "other.db", path)
    assert everything(sink) == [row("/b", 7)]


def test_a_child_of_fork_has_a_connection_of_its_own(sink: SQLiteSink) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
    assert everything(sink) == [row("/a", 5)]
    reading = sink.rows(DAY, DAY)
    next(reading)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            sink.replace_day(DAY, "web2", [row("/a", 1)], lines=1)
            if everything(sink) == [row("/a", 6)]:
                sink.close()
                status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(reading) == []
    assert everything(sink) == [row("/a", 6)]


# -- kill -9, and several processes at once --

_KILLED = """
import os, signal, sqlite3, sys
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing.sinks import DAY, row

path, how, where = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)

def rows():
    for n in range(3_000):
        if how == "row" and n == int(where):
            die()
        yield row(f"/new/{n}", 2)

class Mortal(sqlite3.Connection):
    def execute(self, sql, *parameters):
        self.watch(sql)
        return super().execute(sql, *parameters)
    def executemany(self, sql, *parameters):
        self.watch(sql)
        return super().executemany(sql, *parameters)
    def watch(self, sql):
        if sql.strip().startswith(where):
            if how == "before":
                die()
            if how == "amid":
                self.set_progress_handler(die, 1_000)  # steps of SQLite's virtual machine
    def close(self):
        if how == "close":
            die()
        super().close()

connect = sqlite3.connect
sqlite3.connect = lambda *arguments, **named: connect(*arguments, factory=Mortal, **named)
SQLiteSink(path).replace_day(DAY, "web1", rows(), lines=3_000)
"""


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ("row", "0"),
        ("row", "2999"),
        ("before", "INSERT OR IGNORE INTO name"),
        ("before", "CREATE TEMP TABLE coded"),
        ("amid", "DELETE FROM hit"),
        ("amid", "INSERT OR IGNORE INTO series"),
        ("amid", "INSERT INTO hit"),
        ("before", "INSERT OR REPLACE INTO day"),
        ("before", "COMMIT"),
        ("close", ""),
    ],
)
def test_kill_9_leaves_a_whole_day(path: Path, how: str, where: str) -> None:
    old = [row(f"/old/{n}", 1) for n in range(3_000)]
    new = [row(f"/new/{n}", 2) for n in range(3_000)]
    with SQLiteSink(path) as sink:
        sink.replace_day(DAY, "web1", old, lines=3_000)
        sink.replace_day(DAY, "web2", [row("/other", 1)], lines=1)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path), how, where], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    with SQLiteSink(path) as sink:
        left = new if how == "close" else old
        assert everything(sink) == sorted([*left, row("/other", 1)])
        sink.replace_day(DAY, "web1", new, lines=3_000)
        assert everything(sink) == sorted([*new, row("/other", 1)])
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


_WRITER = """
import sys
from datetime import timedelta
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing.sinks import DAY, row

path, source = sys.argv[1:]
print(flush=True)
sys.stdin.readline()
for n in range(5):
    day = DAY + timedelta(n)
    SQLiteSink(path).replace_day(day, source, [row("/a", 1, day=day), row("/" + source, 1, day=day)], lines=2)
"""


def test_several_processes_make_and_fill_it_at_once(path: Path) -> None:
    sources = ["web1", "web2", "web3", "web3"]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for source in sources
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        writer.communicate("go\n", timeout=30)
    assert [writer.returncode for writer in writers] == [0] * 4
    with SQLiteSink(path) as sink:
        assert len(sink.days()) == 15
        assert sum(r.count for r in everything(sink) if r.page == "/a") == 15


# -- size and access paths --


def _year(sink: SQLiteSink, pages: int, days: int) -> None:
    for n in range(days):
        day = DAY + timedelta(n)
        rows = (row(f"/releases/{page}/", page % 500 + 1, day=day) for page in range(pages))
        sink.replace_day(day, "web1", rows, lines=pages)


def test_a_page_and_day_more_costs_few_bytes(sink: SQLiteSink, path: Path) -> None:
    _year(sink, pages=2_000, days=5)
    small = path.stat().st_size
    _year(sink, pages=2_000, days=25)
    assert (path.stat().st_size - small) / (2_000 * 20) < 45  # 34 at 100,000 pages; in clear text more than 100


def _plans(sink: SQLiteSink, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How SQLite goes about each statement of what follows."""
    plans: list[str] = []

    class Explaining(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if sql.lstrip().startswith(("SELECT hit", "SELECT text", "DELETE")):
                plans.extend(step[3] for step in super().execute("EXPLAIN QUERY PLAN " + sql, *parameters))
            return super().execute(sql, *parameters)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **named: connect(*a, factory=Explaining, **named))
    return plans


def test_no_question_reads_the_whole_history(sink: SQLiteSink, monkeypatch: pytest.MonkeyPatch) -> None:
    _year(sink, pages=50, days=4)
    plans = _plans(sink, monkeypatch)

    list(sink.rows(DAY, DAY, page="/releases/1/", dimension="views", site=""))
    assert any("hit USING PRIMARY KEY (series=? AND day>? AND day<?)" in step for step in plans)
    assert not any(step.startswith("SCAN") for step in plans)

    plans.clear()
    list(sink.rows(DAY, DAY, dimension="views"))
    assert any("hit USING COVERING INDEX hit_by_day (day>? AND day<?)" in step for step in plans)
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plans)

    plans.clear()
    sink.totals(DAY, DAY, site="", pages=["/releases/1/", "/releases/2/"], dimension="views")
    assert any("hit USING PRIMARY KEY (series=? AND day>? AND day<?)" in step for step in plans)
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plans)

    plans.clear()
    sink.replace_day(DAY, "web1", [row()], lines=50)
    assert any("hit USING COVERING INDEX hit_by_day (day=?)" in step for step in plans)
    assert not any(step.startswith("SCAN") for step in plans)


def test_rows_from_another_sink(sink: SQLiteSink, tmp_path: Path) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
    with SQLiteSink(tmp_path / "copy.db") as copy:
        copy.replace_day(DAY, "web1", sink.rows(DAY, DAY), lines=5)
        assert everything(copy) == [row("/a", 5)]


def test_days_of_all_ages(sink: SQLiteSink) -> None:
    days = [date(1, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(9999, 12, 31)]
    for day in days:
        sink.replace_day(day, "web1", [DailyCount(day, "", "/a", "views", "", 1)], lines=1)
    assert [r.day for r in sink.rows(date.min, date.max, page="/a")] == days
    assert [info.day for info in sink.days()] == days
