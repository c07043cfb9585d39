"""CSVSink: the conformance suite, and what is CSV's own."""

from __future__ import annotations

import csv
import io
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.errors import LocationError, LogFileError, PartialDayError, StoreError
from pipelog.locators import Location
from pipelog.model import DailyCount
from pipelog.sinks.csvfile import CSVSink, read_counts, write_counts
from pipelog.testing.sinks import DAY, NEXT, SinkSuite, everything, row

NAME = "2026-11-22.web1.csv"
HEADER = b"day,site,page,dimension,value,count\r\n"


class TestSuite(SinkSuite):
    def make_sink(self, tmp_path: Path) -> CSVSink:
        return CSVSink(tmp_path / "new" / "folder")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


@pytest.fixture
def sink(folder: Path) -> CSVSink:
    return CSVSink(folder)


def test_from_location(tmp_path: Path) -> None:
    sink = CSVSink.from_location(Location.parse(f"csv://{tmp_path}/history"))
    assert sink.folder == tmp_path / "history"
    assert list(tmp_path.iterdir()) == []
    for bad in ("csv:///folder?sep=;", "csv://host/folder", "csv:"):
        with pytest.raises(LocationError):
            CSVSink.from_location(Location.parse(bad))


# -- the file --


def test_the_file_byte_by_byte(sink: CSVSink, folder: Path) -> None:
    rows = [
        row("/a,b", 3, site="www.example.org"),
        row('/"q"', 2, dimension="referrer", value="=1+1"),
        row("/caf\udce9\n", 1),
    ]
    sink.replace_day(DAY, "web1", rows, lines=6)
    assert (folder / NAME).read_bytes() == (
        HEADER + b'2026-11-22,www.example.org,"/a,b",views,,3\r\n'
        b'2026-11-22,,"/""q""",referrer,\'=1+1,2\r\n'
        b"2026-11-22,,/caf\\udce9\\n,views,,1\r\n"
        b"2026-11-22,,,lines,web1,6\r\n"
    )


def test_the_same_rows_are_the_same_bytes(sink: CSVSink, folder: Path) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 3)], lines=6)
    before = (folder / NAME).read_bytes()
    sink.replace_day(DAY, "web1", [row("/a", 3)], lines=6)
    assert (folder / NAME).read_bytes() == before


def test_modes_of_folder_and_file(sink: CSVSink, folder: Path) -> None:
    before = os.umask(0o022)
    try:
        sink.replace_day(DAY, "web1", [row()], lines=1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("web1.example.org", "2026-11-22.web1.example.org.csv"),
        ("", "2026-11-22..csv"),
        ("..", "2026-11-22....csv"),
        ("../../x", "2026-11-22...%2F..%2Fx.csv"),
        ("a\nb\0", "2026-11-22.a%0Ab%00.csv"),
        ("a%2Fb", "2026-11-22.a%252Fb.csv"),
        ("-rf ü\udcff", "2026-11-22.-rf%20%C3%BC%FF.csv"),
    ],
)
def test_a_source_names_no_other_file(sink: CSVSink, folder: Path, source: str, name: str) -> None:
    sink.replace_day(DAY, source, [row("/a", 3)], lines=6)
    assert [p.name for p in folder.iterdir()] == [name]
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    assert [info[:3] for info in sink.days()] == [(DAY, source, 6)]


def test_a_source_too_long_for_a_file_name(sink: CSVSink) -> None:
    with pytest.raises(StoreError, match="too long"):
        sink.replace_day(DAY, "x" * 300, [row()], lines=6)
    assert list(sink.folder.iterdir()) == []


def test_a_row_like_the_last_one_is_a_row(sink: CSVSink) -> None:
    rows = [row("", 99, dimension="lines", value="web1"), row("/a", 1)]
    sink.replace_day(DAY, "web1", rows, lines=6)
    assert everything(sink) == rows
    assert sink.days()[0].lines == 6


# What the bytes of a line can become: UTF-8, and single surrogates for bytes that are none.
TEXT = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), max_size=8
)


@settings(deadline=None)
@given(st.lists(st.builds(DailyCount, st.dates(), TEXT, TEXT, TEXT, TEXT, st.integers(0, 2**63))))
def test_write_and_read_counts(rows: list[DailyCount]) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, "utf-8", newline="") as file:
        write_counts(file, rows)
        file.flush()
        file.seek(0)
        assert list(read_counts(file)) == rows
        file.seek(0)
        written = file.read().split("\r\n")
        assert len(written) == len(rows) + 2
        assert all(line.isprintable() for line in written)


def test_names_as_they_were_written_before_are_read(sink: CSVSink, folder: Path) -> None:
    """Raw in quotes, with an apostrophe at the begin alone."""
    sink.replace_day(DAY, "web1", [row("/a", 1)], lines=6)
    path = folder / NAME
    path.write_bytes(path.read_bytes().replace(b"/a", b'"\'=1\n\xe9;="'))
    assert everything(sink) == [row("=1\n\udce9;=", 1)]


def test_a_name_that_could_not_be_read_again_is_refused(sink: CSVSink) -> None:
    longest = csv.field_size_limit()
    sink.replace_day(DAY, "web1", [row("=" * (longest - 1))], lines=1)
    assert everything(sink) == [row("=" * (longest - 1))]
    with pytest.raises(ValueError, match="more than"):
        sink.replace_day(DAY, "web1", [row("x" * (longest + 1))], lines=1)
    assert everything(sink) == [row("=" * (longest - 1))]


# -- files that others made, or broke --


def test_files_of_others_are_left_alone(sink: CSVSink, folder: Path) -> None:
    folder.mkdir()
    others = [
        "notes.txt",
        "2026-11-22.csv",
        "2026-13-45.web1.csv",
        "2026-11-22.a b.csv",
        "2026-11-22.a%2fb.csv",
        "x.tmp",
    ]
    for name in others:
        (folder / name).write_text("theirs")
    sink.replace_day(DAY, "web1", [row("/a", 3)], lines=6)
    assert everything(sink) == [row("/a", 3)]
    assert len(sink.days()) == 1
    assert {p.name for p in folder.iterdir()} == {*others, NAME}


def test_leftovers_of_killed_writers_are_not_read_and_go_with_the_next_write(sink: CSVSink, folder: Path) -> None:
    folder.mkdir()
    (folder / ".pipelog-abc123.tmp").write_text("half")
    assert everything(sink) == []
    assert sink.days() == []
    sink.replace_day(DAY, "web1", [row("/a", 3)], lines=6)
    assert [p.name for p in folder.iterdir()] == [NAME]


GOOD = HEADER + b"2026-11-22,,/a,views,,3\r\n2026-11-22,,/b,views,,2\r\n2026-11-22,,,lines,web1,6\r\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 0: the header is not"),
        (b"a,b,c\r\n1,2,3\r\n", "line 1: the header is not"),
        (HEADER, "the last row"),
        (GOOD[:-1].removesuffix(b"2026-11-22,,,lines,web1,6\r"), "the last row"),
        (GOOD[:-20], "line 4"),
        (GOOD.replace(b"web1", b"web2"), "the last row"),
        (GOOD.replace(b"/a,views", b"/a"), "line 2: 5 cells, not 6"),
        (GOOD.replace(b",3\r", b",three\r"), "line 2: .*three"),
        (GOOD.replace(b"\r\n2026-11-22,,/b", b"\r\n2026-11-23,,/b"), "line 3: .*2026-11-23"),
        (GOOD.replace(b"\r\n2026-11-22,,/b", b"\r\nyesterday,,/b"), "line 3: .*yesterday"),
        (GOOD.replace(b"/b", b'"/b'), "line 4"),
        (GOOD.replace(b"/b", b'"/b"x'), "line 3"),
        (GOOD + b"\r\n", "line 5: 0 cells"),
        (GOOD + GOOD, "line 5"),
        (b"\x1f\x8b\x08" + bytes(200), "line 1"),
    ],
)
def test_damaged_files_are_named_never_skipped(sink: CSVSink, folder: Path, content: bytes, message: str) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    with pytest.raises(StoreError, match=message) as caught:
        everything(sink)
    assert str(folder / NAME) in str(caught.value)
    assert "\n" not in str(caught.value)
    # A forced write heals it.
    sink.replace_day(DAY, "web1", [row("/a", 3)], lines=6, force=True)
    assert everything(sink) == [row("/a", 3)]


@pytest.mark.parametrize("content", [b"", HEADER, GOOD[:-12], GOOD.replace(b"web1", b"web2"), GOOD + b"x"])
def test_a_file_that_does_not_tell_its_lines_is_not_overwritten(sink: CSVSink, folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    with pytest.raises(StoreError, match=r"2026-11-22\.web1\.csv: the last row"):
        sink.days()
    with pytest.raises(StoreError, match=r"2026-11-22\.web1\.csv: the last row"):
        sink.replace_day(DAY, "web1", [row("/a", 3)], lines=6)
    assert (folder / NAME).read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [lambda good: good.replace(b"\r\n", b"\n"), lambda good: good.removesuffix(b"\r\n")],
    ids=["Unix line ends", "no line end at the end"],
)
def test_what_editors_do_to_line_ends_is_no_damage(
    sink: CSVSink, folder: Path, change: Callable[[bytes], bytes]
) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(change(GOOD))
    assert everything(sink) == [row("/a", 3), row("/b", 2)]
    assert sink.days()[0].lines == 6
    with pytest.raises(PartialDayError):
        sink.replace_day(DAY, "web1", [row("/a", 1)], lines=5)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for sink in (CSVSink(tmp_path / "file"), CSVSink(tmp_path / "file" / "below")):
        with pytest.raises(StoreError, match="file"):
            sink.days()
        with pytest.raises(StoreError, match="file"):
            sink.replace_day(DAY, "web1", [row()], lines=1)


def test_errors_of_the_rows_are_not_taken_for_ours(sink: CSVSink) -> None:
    def unreadable() -> object:
        yield row()
        raise LogFileError("access.log.gz: is damaged")

    with pytest.raises(LogFileError):
        sink.replace_day(DAY, "web1", unreadable(), lines=1)  # type: ignore[arg-type]
    assert list(sink.folder.iterdir()) == []


# -- kill -9, and several processes at once --

_KILLED = """
import os, signal, sys
from pipelog.sinks.csvfile import CSVSink
from pipelog.testing.sinks import DAY, row

folder, where = sys.argv[1:]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if where == "before the file's fsync":
    os.fsync = die
if where == "before the rename":
    os.replace = die
if where == "after the rename":
    replace = os.replace
    os.replace = lambda *names: (replace(*names), die())

def rows():
    for n in range(20_000):
        if n == 15_000 and where == "among the rows":
            die()
        yield row(f"/new/{n}", 2)

CSVSink(folder).replace_day(DAY, "web1", rows(), lines=20_000)
"""


@pytest.mark.parametrize(
    "where", ["among the rows", "before the file's fsync", "before the rename", "after the rename"]
)
def test_kill_9_leaves_a_whole_day(sink: CSVSink, folder: Path, where: str) -> None:
    sink.replace_day(DAY, "web1", [row("/old", 1)], lines=5)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(folder), where], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    new = sorted(row(f"/new/{n}", 2) for n in range(20_000))
    assert everything(sink) == (new if where == "after the rename" else [row("/old", 1)])
    sink.replace_day(DAY, "web1", [row("/newer", 3)], lines=20_000)
    assert everything(sink) == [row("/newer", 3)]
    assert [p.name for p in folder.iterdir()] == [NAME]


_WRITER = """
import sys
from pipelog.sinks.csvfile import CSVSink
from pipelog.testing.sinks import DAY, row

folder, source = sys.argv[1:]
print(flush=True)
sys.stdin.readline()
for n in range(1, 21):
    CSVSink(folder).replace_day(DAY, source, [row("/a", 20), row("/" + source, n)], lines=20)
"""


def test_several_processes_write_and_one_reads_at_once(sink: CSVSink, folder: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder), source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for source in ("web1", "web1", "web2")
    ]
    for writer in writers:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.close()
    while any(writer.poll() is None for writer in writers):
        assert sum(r.count for r in sink.rows(DAY, DAY, page="/a")) in (0, 20, 40)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()
    assert everything(sink) == [row("/a", 40), row("/web1", 20), row("/web2", 20)]
    assert {p.name for p in folder.iterdir()} == {NAME, "2026-11-22.web2.csv"}


def test_a_page_and_the_days_it_is_not_asked_for(sink: CSVSink, folder: Path) -> None:
    sink.replace_day(DAY, "web1", [row("/a", 3)], lines=6)
    (folder / "2026-11-23.web1.csv").write_bytes(b"damaged")
    assert list(sink.rows(DAY, DAY)) == [row("/a", 3)]
    with pytest.raises(StoreError, match="2026-11-23"):
        list(sink.rows(DAY, NEXT))
