"""The daily way: log files of every kind into finished days."""

from __future__ import annotations

import gzip
import os
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
import zstandard

from pipelog import daily
from pipelog.counting.rules import OTHER, Rules
from pipelog.daily import Count, LogPart, count_files, find_logs, rollup, size_of
from pipelog.errors import FormatError, LogFileError, PartialDayError, SettingsError
from pipelog.model import Coordinate, DailyCount
from pipelog.parsing.chunks import MAX_LINE
from pipelog.parsing.logfiles import open_log
from pipelog.sinks.sqlite import SQLiteSink

DAY = date(2026, 11, 22)
NEXT = DAY + timedelta(days=1)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def line(page: str, day: date = DAY) -> bytes:
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    stamp = f"{day.day:02}/{months[day.month - 1]}/{day.year}:23:59:59 +0000"
    return f'192.0.2.7 - - [{stamp}] "GET {page} HTTP/1.1" 200 5 "-" "{BROWSER}"\n'.encode()


def lines(*pages: str, day: date = DAY) -> bytes:
    return b"".join(line(page, day) for page in pages)


def views(count: Count, day: date = DAY) -> dict[str, int]:
    return {c.page: n for c, n in count.tally.items() if c.dimension == "views" and c.day == day}


def stored(sink: SQLiteSink) -> list[DailyCount]:
    return sorted(sink.rows(date.min, date.max))


@pytest.fixture
def sink(tmp_path: Path) -> SQLiteSink:
    return SQLiteSink(tmp_path / "history.db")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def put(path: Path, content: bytes) -> str:
    """Write a file, packed as its name says."""
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = zstandard.compress(content)
    path.write_bytes(content)
    return str(path)


# -- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_plain_and_compressed_files(logs: Path, ending: str) -> None:
    content = lines(*(f"/{number % 900}" for number in range(20_000)))
    path = put(logs / f"a.log{ending}", content)
    count = count_files([path], [DAY])
    assert count.lines == count.lines_of[DAY] == 20_000
    assert len(views(count)) == 900
    assert sum(views(count).values()) == 20_000
    assert (count.bad, count.too_long) == (0, 0)


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_what_a_file_is_its_content_tells(logs: Path, ending: str) -> None:
    path = put(logs / f"a{ending}", lines("/a"))
    os.rename(path, logs / "a.log.1")
    assert views(count_files([logs / "a.log.1"], [DAY])) == {"/a": 1}


def test_compressed_files_of_several_members(logs: Path) -> None:
    (logs / "a.gz").write_bytes(gzip.compress(line("/a")) + gzip.compress(b"") + gzip.compress(line("/b")))
    (logs / "a.zst").write_bytes(b"".join(map(zstandard.compress, (line("/c"), b"", line("/d")))))
    assert views(count_files([logs / "a.gz", logs / "a.zst"], [DAY])) == {"/a": 1, "/b": 1, "/c": 1, "/d": 1}


def test_an_empty_file_and_one_without_last_newline(logs: Path) -> None:
    paths = [put(logs / "empty", b""), put(logs / "empty.gz", b""), put(logs / "a", lines("/a", "/b").rstrip())]
    assert views(count_files(paths, [DAY])) == {"/a": 1, "/b": 1}


def test_a_part_of_a_file(logs: Path) -> None:
    path = put(logs / "a", lines("/a", "/b", "/c", "/d"))
    length = len(line("/a"))
    part = LogPart(path, length, 3 * length)
    told: list[int] = []
    assert views(count_files([part], [DAY], progress=told.append)) == {"/b": 1, "/c": 1}
    assert size_of(part) == 2 * length
    assert sum(told) >= 2 * length
    rest = LogPart(path, 3 * length)
    assert views(count_files([rest], [DAY])) == {"/d": 1}
    assert size_of(rest) == length


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("workers", [0, 1])
def test_progress_adds_up_to_the_size_of_the_files(logs: Path, ending: str, workers: int) -> None:
    paths = [put(logs / f"{name}{ending}", lines(os.urandom(4).hex()) * 10_000) for name in "ab"]
    told: list[int] = []
    executor = ThreadPoolExecutor(workers) if workers else None
    count_files(paths, [DAY], executor=executor, progress=told.append)
    assert sum(told) == sum(map(os.path.getsize, paths))


# -- days --------------------------------------------------------------------------------------------------------


def test_late_lines_stand_in_the_file_of_the_next_day(logs: Path, sink: SQLiteSink) -> None:
    first = put(logs / "2026-11-22.log", line("/before", DAY - timedelta(days=1)) + lines("/a", "/b"))
    second = put(logs / "2026-11-23.log", lines("/a", day=NEXT) + lines("/late") + lines("/c", day=NEXT))
    count = rollup([first, second], DAY, sink, source="host")
    assert views(count) == {"/a": 1, "/b": 1, "/late": 1}
    assert {row.day for row in stored(sink)} == {DAY}
    (info,) = sink.days()
    assert (info.day, info.source, info.lines) == (DAY, "host", 3)
    assert count.lines == 6


def test_several_days_at_once(logs: Path, sink: SQLiteSink) -> None:
    path = put(logs / "a", lines("/a", "/b") + lines("/a", day=NEXT))
    rollup([path], [DAY, NEXT], sink, source="host")
    assert [(info.day, info.lines) for info in sink.days()] == [(DAY, 2), (NEXT, 1)]
    assert sink.totals(DAY, NEXT, site="", pages=["/a", "/b"], dimension="views") == {"/a": 2, "/b": 1}


def test_a_day_without_lines_is_a_day(logs: Path, sink: SQLiteSink) -> None:
    rollup([put(logs / "a", lines("/a"))], NEXT, sink, source="host")
    assert [(info.day, info.lines) for info in sink.days()] == [(NEXT, 0)]
    assert stored(sink) == []


def test_any_day_where_none_is_given(logs: Path) -> None:
    count = count_files([put(logs / "a", lines("/a") + lines("/b", day=NEXT))], None)
    assert count.lines_of == {DAY: 1, NEXT: 1}
    assert views(count, NEXT) == {"/b": 1}
    assert {row.day for row in count.rows(NEXT)} == {NEXT}


def test_rolled_up_twice_changes_nothing(logs: Path, sink: SQLiteSink) -> None:
    path = put(logs / "a", lines("/a", "/b", "/a"))
    rollup([path], DAY, sink, source="host")
    once = stored(sink)
    rollup([path], DAY, sink, source="host")
    assert stored(sink) == once
    assert len(sink.days()) == 1


def test_several_sources_add_up(logs: Path, sink: SQLiteSink) -> None:
    rollup([put(logs / "a", lines("/a", "/b"))], DAY, sink, source="web1")
    rollup([put(logs / "b", lines("/a"))], DAY, sink, source="web2")
    assert sink.totals(DAY, DAY, site="", pages=["/a", "/b"], dimension="views") == {"/a": 2, "/b": 1}


def test_a_thinner_day_is_refused(logs: Path, sink: SQLiteSink) -> None:
    path = put(logs / "a", lines("/a", "/b"))
    rollup([path], DAY, sink, source="host")
    before = stored(sink)
    put(logs / "a", lines("/a"))
    with pytest.raises(PartialDayError, match="2 lines"):
        rollup([path], DAY, sink, source="host")
    assert stored(sink) == before
    rollup([path], DAY, sink, source="host", force=True)
    assert sink.days()[0].lines == 1


# -- faults ------------------------------------------------------------------------------------------------------


def damaged(path: Path, how: str) -> Path:
    """A log file with something wrong; the first lines of it may be read all the same."""
    content = lines(*(f"/{number}/{os.urandom(8).hex()}" for number in range(8_000)))
    checked = zstandard.ZstdCompressor(write_checksum=True)  # as the zstd program does
    packed = {".gz": gzip.compress, ".zst": checked.compress}.get(path.suffix, bytes)(content)
    middle = len(packed) // 2
    if how == "absent":
        return path
    if how == "folder":
        path.mkdir()
    elif how == "loop":
        path.symlink_to(path.name)
    elif how == "unreadable":
        path.write_bytes(packed)
        path.chmod(0)
    elif how == "cut":
        path.write_bytes(packed[:middle])
    elif how == "cut at the end":
        path.write_bytes(packed[:-3])
    elif how == "damaged":
        path.write_bytes(
            packed[:middle] + bytes(byte ^ 0xFF for byte in packed[middle : middle + 64]) + packed[middle + 64 :]
        )
    elif how == "followed by junk":
        path.write_bytes(packed + b"junk that is no member")
    return path


FAULTS = [
    ("a.log", "absent"),
    ("a.log", "folder"),
    ("a.log", "unreadable"),
    *[
        (name, how)
        for name in ("a.log.gz", "a.log.zst")
        for how in ("cut", "cut at the end", "damaged", "followed by junk")
    ],
]


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(1)], ids=["here", "executor"])
@pytest.mark.parametrize(("name", "how"), FAULTS)
def test_a_file_that_cannot_be_read_changes_nothing(
    logs: Path, sink: SQLiteSink, name: str, how: str, executor: ThreadPoolExecutor | None
) -> None:
    if how == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    good = put(logs / "good", lines("/a"))
    rollup([good], DAY, sink, source="host")
    before, days = stored(sink), sink.days()
    bad = damaged(logs / name, how)
    with pytest.raises(LogFileError) as caught:
        rollup([good, bad], DAY, sink, source="host", executor=executor)
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (stored(sink), sink.days()) == (before, days)


def test_a_fault_in_another_process_comes_home(logs: Path, sink: SQLiteSink) -> None:
    bad = damaged(logs / "a.gz", "cut")
    with ProcessPoolExecutor(1) as executor, pytest.raises(LogFileError, match="is damaged"):
        rollup([put(logs / "good", lines("/a")), bad], DAY, sink, source="host", executor=executor)
    assert sink.days() == []


def test_wrong_settings_are_found_before_any_file_is_read(sink: SQLiteSink) -> None:
    with ProcessPoolExecutor(1) as executor:
        with pytest.raises(FormatError):
            rollup(["absent"], DAY, sink, source="host", format="no format", executor=executor)
        with pytest.raises(SettingsError):
            rollup(["absent"], DAY, sink, source="host", rules=Rules(timezone="Mars"), executor=executor)


def test_without_zstandard_its_files_say_what_to_install(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(logs / "a.zst", line("/a"))
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(LogFileError, match=r"pip install 'pipelog-httpd\[zstd\]'"):
        count_files([path], [DAY])


def test_bad_lines_are_counted_with_their_places(logs: Path) -> None:
    bad = b"no log line\n"
    too_long = b"x" * (MAX_LINE + 1) + b"\n"
    first = put(logs / "a", lines("/a") + b"\n \n" + bad + lines("/b") + too_long + bad)
    second = put(logs / "b.gz", bad * 2 + lines("/c") * 20_000 + bad * 3)
    count = count_files([first, second], [DAY])
    assert (count.lines, count.bad, count.too_long) == (20_009, 7, 1)
    places = [place.partition(": ") for place in count.bad_places]
    assert [place for place, _, _ in places] == [
        f"{first}, line 4",
        f"{first}, line 7",
        f"{second}, line 1",
        f"{second}, line 2",
        f"{second}, line 20003",
    ]
    assert all(reason for _, _, reason in places)
    with ProcessPoolExecutor(1) as executor:
        assert count_files([first, second], [DAY], executor=executor) == count


def test_the_place_of_a_bad_line_in_a_part_is_that_in_the_file(logs: Path) -> None:
    path = put(logs / "a", lines("/a", "/b") + b"no log line\n" + lines("/c"))
    count = count_files([LogPart(path, len(line("/a")))], [DAY])
    assert count.bad_places[0].startswith(f"{path}, line 3: ")
    os.unlink(path)
    assert count.bad_places[0].startswith(f"{path}, line 2 from byte {len(line('/a'))} on: ")


# -- several files at once ---------------------------------------------------------------------------------------


def test_an_executor_gives_the_same(logs: Path, sink: SQLiteSink) -> None:
    paths = [
        put(logs / f"{number}{ending}", lines(*(f"/{n % (number + 5)}" for n in range(500))) + b"bad\n")
        for number, ending in enumerate(["", ".gz", ".zst", ""])
    ]
    alone = count_files(paths, [DAY])
    with ProcessPoolExecutor(2) as executor:
        assert count_files(paths, [DAY], executor=executor) == alone
        rollup(paths, DAY, sink, source="host", executor=executor)
    assert {Coordinate(*row[:5]): row.count for row in stored(sink)} == alone.tally


def test_a_file_that_is_named_twice_counts_twice(logs: Path) -> None:
    path = put(logs / "a", lines("/a", "/b"))
    with ThreadPoolExecutor(2) as executor:
        counts = [count_files([path] * 5, [DAY], executor=given) for given in (None, executor)]
    assert [views(count) for count in counts] == [{"/a": 5, "/b": 5}] * 2


def test_an_executor_keeps_every_count_over_the_caps(logs: Path) -> None:
    paths = [put(logs / name, lines(*(f"/{letter}" for letter in name))) for name in ("abc", "cde", "ecxa")]
    rules = Rules(max_pages=2)
    alone = views(count_files(paths, [DAY], rules=rules))
    assert alone == {"/a": 2, "/b": 1, OTHER: 7}
    with ThreadPoolExecutor(2) as executor:
        apart = views(count_files(paths, [DAY], rules=rules, executor=executor))
    assert apart == alone


def test_a_flood_of_names_is_counted_batch_by_batch(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [put(logs / name, lines(*(f"/{name}{n}" for n in range(500)), "/a", "/a")) for name in "xyz"]
    at_once = count_files(paths, [DAY])
    assert views(at_once)["/a"] == 6
    monkeypatch.setattr(daily, "NAMES", 100)
    monkeypatch.setattr(daily, "CHUNK", 4_000)
    settled: list[int] = []
    settle = daily.FileCounter.settle

    def counted(self: daily.FileCounter, count: Count) -> None:
        settled.append(1)
        settle(self, count)

    monkeypatch.setattr(daily.FileCounter, "settle", counted)
    assert count_files(paths, [DAY]) == at_once
    assert len(settled) > 10
    with ThreadPoolExecutor(2) as executor:
        assert count_files(paths, [DAY], executor=executor) == at_once
        capped = count_files(paths, [DAY], rules=Rules(max_pages=100), executor=executor)
    assert sum(views(capped).values()) == sum(views(at_once).values())
    assert len(views(capped)) <= 101


@pytest.mark.parametrize("rules", [Rules(), Rules(max_pages=100), Rules(max_names=50)], ids=["", "pages", "names"])
def test_a_task_of_many_names_leaves_the_rest_to_another(
    logs: Path, monkeypatch: pytest.MonkeyPatch, rules: Rules
) -> None:
    too_long = b"x" * (MAX_LINE + 1) + b"\n"
    content = [lines(*(f"/{name}{n % 400}" for n in range(1000))) + b"bad\n" + too_long + line("/a") for name in "xyz"]
    paths = [put(logs / name, text.rstrip()) for name, text in zip("xyz", content, strict=True)]
    monkeypatch.setattr(daily, "CHUNK", 4_000)
    monkeypatch.setattr(daily, "NAMES", 10_000)
    at_once = count_files(paths, [DAY], rules=rules)
    monkeypatch.setattr(daily, "TASK_NAMES", 100)
    parts: list[LogPart] = []
    told: list[int] = []

    class Watched(ThreadPoolExecutor):
        def submit(self, task, part):  # type: ignore[no-untyped-def]
            parts.append(part)
            return super().submit(task, part)

    with Watched(2) as executor:
        for ahead in (None, 1, 2):
            apart = count_files(paths, [DAY], rules=rules, executor=executor, ahead=ahead, progress=told.append)
            assert apart == at_once
    assert len(parts) > 3 * 20
    assert sum(told) == 3 * sum(map(os.path.getsize, paths))


def test_no_more_tasks_are_handed_out_than_are_asked_for(logs: Path) -> None:
    paths = [put(logs / str(number), lines(f"/{number}")) for number in range(20)]
    running = most = 0

    class Watched(ThreadPoolExecutor):
        def submit(self, task, part):  # type: ignore[no-untyped-def]
            nonlocal running, most
            running += 1
            most = max(most, running)
            future = super().submit(task, part)
            return _Told(future)

    class _Told(Future):  # type: ignore[type-arg]
        def __init__(self, future: Future) -> None:  # type: ignore[type-arg]
            super().__init__()
            future.add_done_callback(lambda done: self.set_result(done.result()))

        def result(self, timeout: float | None = None):  # type: ignore[no-untyped-def]
            nonlocal running
            running -= 1
            return super().result(timeout)

    with Watched(4) as executor:
        count = count_files(paths, [DAY], executor=executor, ahead=3)
    assert (most, len(views(count))) == (3, 20)
    with pytest.raises(ValueError, match="ahead: 0"):
        count_files(paths, [DAY], executor=executor, ahead=0)


# -- finding -----------------------------------------------------------------------------------------------------


def found(names: list[str], days: list[date], folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in find_logs([str(folder / name) for name in names], days)]


@pytest.mark.parametrize(
    ("there", "names", "expected"),
    [
        (["a.log"], ["a.log"], ["a.log"]),
        (["b", "a"], ["b", "a", "b"], ["b", "a"]),
        (["a.1", "a.2", "b.1"], ["a.*"], ["a.1", "a.2"]),
        (["a.1", "a.2"], ["a.*", "a.1"], ["a.1", "a.2"]),
        (["a.log.gz"], ["a.log"], ["a.log.gz"]),
        (["a.log.zst"], ["a.log"], ["a.log.zst"]),
        # while gzip is at work
        (["a.log", "a.log.gz"], ["a.log"], ["a.log"]),
        (["a.1", "a.1.gz", "a.2.gz"], ["a.*"], ["a.1", "a.2.gz"]),
        (["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"], ["%Y-%m-%d"], ["2026-11-22", "2026-11-23"]),
        (["2026-11-22", "2026-11-23.gz"], ["%Y-%m-%d"], ["2026-11-22", "2026-11-23.gz"]),
        (["2026-11-22"], ["%Y-%m-%d"], ["2026-11-22"]),
        (["22-www1", "22-www2", "23-www1"], ["%d-*"], ["22-www1", "22-www2", "23-www1"]),
        (["202611"], ["%Y%m"], ["202611"]),
        (["22-00", "22-13", "22-23.gz", "23-01", "24-00"], ["%d-%H"], ["22-00", "22-13", "22-23.gz", "23-01"]),
        (["22", "23_00:00:00"], ["%d_%T"], ["23_00:00:00"]),
        (["100%", "2026"], ["100%"], ["100%"]),
        (["[x]"], ["[x]"], ["[x]"]),
    ],
)
def test_finds(logs: Path, there: list[str], names: list[str], expected: list[str]) -> None:
    for name in there:
        (logs / name).touch()
        (logs / name).write_text(name)
    assert found(names, [DAY], logs) == expected


def test_a_link_on_the_log_in_use_is_no_second_log(logs: Path) -> None:
    (logs / "a.2026-11-22").touch()
    (logs / "a.current").symlink_to("a.2026-11-22")
    (logs / "a.hard").hardlink_to(logs / "a.2026-11-22")
    assert found(["a.*"], [DAY], logs) == ["a.2026-11-22"]


def test_templates_of_several_days_have_each_file_once(logs: Path) -> None:
    for day in range(20, 26):
        (logs / f"{day}").touch()
    assert found(["%d"], [DAY, NEXT], logs) == ["22", "23", "24"]


@pytest.mark.parametrize("name", ["absent", "absent*", "absent-%Y"])
def test_what_finds_nothing_is_an_error(logs: Path, name: str) -> None:
    (logs / "a").touch()
    with pytest.raises(LogFileError, match=f"{logs}/absent.*: no such log file"):
        find_logs([str(logs / "a"), str(logs / name)], [DAY])


def test_a_link_to_nowhere_is_an_error_with_its_name(logs: Path) -> None:
    (logs / "a").symlink_to("nowhere")
    with pytest.raises(LogFileError, match=f"{logs}/a"):
        find_logs([str(logs / "*")], [DAY])


def test_faults_of_others_pass_through_an_open_log(logs: Path) -> None:
    path = put(logs / "a", line("/a"))
    with pytest.raises(ZeroDivisionError), open_log(path):
        _ = 1 / 0
