"""Merged pages: what is remembered, the two sinks against each other, kill -9, and the command."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from cli_helpers import YESTERDAY, line, pipelog
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.errors import StoreError
from pipelog.model import DailyCount
from pipelog.sinks.base import Merging, Sink
from pipelog.sinks.csvfile import CSVSink
from pipelog.sinks.merges import Merge, names_on, renamed
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing.sinks import DAY, NEXT, everything, row

MERGES_HEADER = b"site,old,new,since,until\r\n"
PAGES = ["/a", "/b", "/c"]


def test_names_on_a_day() -> None:
    merges = [
        Merge("", "/a", "/b"),
        Merge("", "/b", "/c", DAY, DAY),
        Merge("s", "/b", "/x"),
    ]
    assert names_on(DAY, merges) == {("", "/a"): "/c", ("", "/b"): "/c", ("s", "/b"): "/x"}
    assert names_on(NEXT, merges) == {("", "/a"): "/b", ("s", "/b"): "/x"}
    assert names_on(DAY, []) == {}


def test_renamed() -> None:
    rows = [row("/a", 1), row("/a", 2, site="s"), row("/b", 3)]
    assert list(renamed(rows, {("", "/a"): "/b"})) == [row("/b", 1), row("/a", 2, site="s"), row("/b", 3)]
    assert list(renamed(rows, {})) == rows


written = st.tuples(st.integers(0, 2), st.lists(st.tuples(st.sampled_from(PAGES), st.integers(1, 9)), max_size=4))
merged = st.tuples(
    st.sampled_from(PAGES), st.sampled_from(PAGES), st.integers(0, 2), st.integers(0, 2)
).filter(lambda m: m[0] != m[1] and m[2] <= m[3])  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(written, merged), max_size=8))
def test_whatever_is_written_and_merged_in_whatever_order(steps: list[tuple[object, ...]]) -> None:
    """Both sinks against sums that are moved by hand."""
    expected: Counter[tuple[date, str]] = Counter()
    done: list[tuple[str, str, int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        sinks: list[Sink] = [SQLiteSink(Path(folder, "h.db")), CSVSink(Path(folder, "days"))]
        for step in steps:
            if len(step) == 2:
                number, counts = step
                day = DAY + timedelta(number)  # type: ignore[arg-type]
                rows = [DailyCount(day, "", page, "views", "", count) for page, count in counts]  # type: ignore[attr-defined]
                for sink in sinks:
                    sink.replace_day(day, "web1", rows, lines=1)
                for page in PAGES:
                    del expected[day, page]
                for r in rows:
                    page = r.page
                    for old, new, since, until in done:
                        if page == old and since <= number <= until:  # type: ignore[operator]
                            page = new
                    expected[day, page] += r.count
                continue
            old, new, since, until = step
            done.append(step)  # type: ignore[arg-type]
            for sink in sinks:
                assert isinstance(sink, Merging)
                sink.merge(Merge("", old, new, DAY + timedelta(since), DAY + timedelta(until)))  # type: ignore[arg-type]
            for number in range(since, until + 1):  # type: ignore[operator, arg-type]
                expected[DAY + timedelta(number), new] += expected.pop((DAY + timedelta(number), old), 0)  # type: ignore[index, arg-type]
        for sink in sinks:
            assert {(r.day, r.page): r.count for r in everything(sink)} == dict(+expected)
            sink.close()


def test_a_history_without_a_merge_is_as_it_was(tmp_path: Path) -> None:
    for sink in (SQLiteSink(tmp_path / "h.db"), CSVSink(tmp_path / "days")):
        assert sink.merges() == []
        sink.replace_day(DAY, "web1", [row("/a")], lines=1)
        assert sink.merges() == []
        sink.close()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["2026-11-22.web1.csv", "h.db"]


def test_the_files_of_days_stay_as_they_are(tmp_path: Path) -> None:
    sink = CSVSink(tmp_path)
    sink.replace_day(DAY, "web1", [row("/old", 1)], lines=1)
    before = (tmp_path / "2026-11-22.web1.csv").read_bytes()
    sink.merge(Merge("", "/old", "=new", DAY, NEXT))
    assert (tmp_path / "2026-11-22.web1.csv").read_bytes() == before
    assert (tmp_path / "merges.csv").read_bytes() == (MERGES_HEADER + b",/old,'=new,2026-11-22,2026-11-23\r\n")
    assert (tmp_path / "merges.csv").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\r\n", MERGES_HEADER + b",/a,/b,soon,2026-11-23\r\n", MERGES_HEADER + b",/a\r\n"],
)
def test_a_damaged_file_of_merges_is_named(tmp_path: Path, content: bytes) -> None:
    sink = CSVSink(tmp_path)
    sink.replace_day(DAY, "web1", [row("/old", 1)], lines=1)
    (tmp_path / "merges.csv").write_bytes(content)
    with pytest.raises(StoreError, match=r"merges\.csv: .*mend the file"):
        everything(sink)


# -- kill -9 --

_KILLED = """
import os, signal, sqlite3, sys
from pipelog.sinks.csvfile import CSVSink
from pipelog.sinks.merges import Merge
from pipelog.sinks.sqlite import SQLiteSink

kind, path, where = sys.argv[1:]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if where == "fsync":
    os.fsync = die
if where == "replace":
    os.replace = die

class Mortal(sqlite3.Connection):
    def execute(self, sql, *parameters):
        if sql.strip().startswith(where):
            if where == "COMMIT":
                die()
            self.set_progress_handler(die, 1_000)  # steps of SQLite's virtual machine
        return super().execute(sql, *parameters)

connect = sqlite3.connect
sqlite3.connect = lambda *arguments, **named: connect(*arguments, factory=Mortal, **named)
(CSVSink if kind == "csv" else SQLiteSink)(path).merge(Merge("", "/old", "/new"))
"""


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("csv", "fsync"),
        ("csv", "replace"),
        ("sqlite", "INSERT OR IGNORE INTO series"),
        ("sqlite", "INSERT INTO hit"),
        ("sqlite", "DELETE FROM hit"),
        ("sqlite", "COMMIT"),
    ],
)
def test_kill_9_leaves_the_old_page_whole(tmp_path: Path, kind: str, where: str) -> None:
    path = tmp_path / "history"
    days = [DAY + timedelta(n) for n in range(3)]
    values = range(2_000)
    with CSVSink(path) if kind == "csv" else SQLiteSink(path) as sink:
        for day in days:
            rows = [
                row(page, 1, day=day, dimension="keyword", value=str(n)) for n in values for page in ("/old", "/new")
            ]
            sink.replace_day(day, "web1", rows, lines=1)
        before = everything(sink)
        done = subprocess.run([sys.executable, "-c", _KILLED, kind, str(path), where], check=False, timeout=30)
        assert done.returncode == -signal.SIGKILL
        assert everything(sink) == before
        assert sink.merges() == []
        sink.merge(Merge("", "/old", "/new"))
        assert everything(sink) == sorted(
            row("/new", 2, day=day, dimension="keyword", value=str(n)) for n in values for day in days
        )


# -- the command --


@pytest.fixture(params=["sqlite", "csv"])
def sink_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/history.db" if request.param == "sqlite" else f"csv://{tmp_path}/days"


def test_the_command(tmp_path: Path, sink_url: str) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(line("/old", YESTERDAY) * 3 + line("/new", YESTERDAY) * 4 + line("/x", YESTERDAY, status=404))

    def run(*arguments: str) -> tuple[int, str]:
        done = pipelog(tmp_path / "state", *arguments, site="s", sink=sink_url)
        assert done.stdout == b""
        return done.returncode, done.stderr.decode()

    def views() -> str:
        done = pipelog(tmp_path / "state", "hits", "/old", "/new", "--output", "csv", site="s", sink=sink_url)
        return done.stdout.decode()

    assert run("merge", "/old", "/new") == (
        1,
        "pipelog: the history has no page '/old' of site 's' on these days: nothing was merged; see --site\n",
    )
    assert run("rollup", str(log))[0] == 0
    before = views()
    assert run("merge", "/old", "/new", "--dry-run") == (
        0,
        f"'/old' of site 's' would become '/new': views 3, rows 1, days 1 ({YESTERDAY} to {YESTERDAY})\n",
    )
    assert views() == before
    assert run("merge", "/old", "/new", "--until", "2020-01")[0] == 1
    assert run("merge", "/old", "/new", "--site", "elsewhere")[0] == 1
    assert run("merge", "/old", "/old") == (1, "pipelog: nothing was merged: '/old' is the same page; name two\n")
    assert views() == before
    code, said = run("merge", "/old", "/new")
    assert code == 0
    assert "is now '/new': views 3, rows 1, days 1" in said
    merged = views()
    assert merged != before
    assert "/new,0,7" in merged
    assert run("merge", "/old", "/new") == (0, "'/old' of site 's' was merged before, and nothing of it is left\n")
    assert run("rollup", str(log), "--force")[0] == 0
    assert views() == merged


def test_a_sink_that_cannot(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CANNOT, str(tmp_path)], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stderr == "pipelog: a sink of the kind simple cannot merge; use sqlite or csv\n"
    assert done.returncode == 1


_CANNOT = """
import sys
from pipelog import plugins
from pipelog.cli import main
from pipelog.sinks.base import Sink

class Simple(Sink):
    def replace_day(self, *arguments, **named): ...
    def rows(self, *arguments, **named): return iter(())
    def days(self): return []
    def close(self): ...

plugins.sink = lambda url: Simple()
sys.exit(main(["merge", "/a", "/b", "--sink", "simple:", "--state", sys.argv[1]]))
"""
