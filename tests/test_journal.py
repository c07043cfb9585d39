"""The journal: naming, changing and reading segments, with real pipes and injected clocks."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path

import pytest
from intake_helpers import NOON, Clock, Pipe

from pipelog.errors import IntakeError
from pipelog.intake.journal import JournalReader, Manifest, Position, behind, files_of_days, template_root
from pipelog.intake.retention import Retention, remove_counted
from pipelog.intake.writer import LET_GO, Turn
from pipelog.parsing.chunks import MAX_LINE

DAY = 86_400
BEGIN = Position(0, 0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def template(state: Path) -> str:
    return str(state / "journal" / "%Y-%m-%d.log")


def manifest_of(state: Path) -> Manifest:
    manifest = Manifest(state)
    manifest.refresh()
    return manifest


def read_all(state: Path, position: Position = BEGIN, size: int = 1 << 20) -> bytes:
    reader = JournalReader(manifest_of(state), position)
    content = b""
    while chunk := reader.read(size):
        content += chunk
    reader.close()
    return content


def test_bytes_go_from_the_pipe_into_the_days_file(state: Path, template: str) -> None:
    pipe = Pipe(state, template, Clock())
    assert pipe.send(b"one\ntwo\n") == 8
    assert pipe.writer.splice() is Turn.EMPTY
    path = state / "journal" / "2026-11-22.log"
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o640
    os.close(pipe.sink)
    assert pipe.writer.splice() is Turn.END
    assert pipe.writer.end() == Position(1, 8)


def test_at_midnight_the_segment_changes_at_a_lines_end_only(state: Path, template: str) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    pipe.send(b"one\nhalf")
    clock.now += DAY
    pipe.send(b" a line\n")
    assert pipe.send(b"two\n") == 4
    days = state / "journal"
    assert (days / "2026-11-22.log").read_bytes() == b"one\nhalf a line\n"
    assert (days / "2026-11-23.log").read_bytes() == b"two\n"
    assert read_all(state) == b"one\nhalf a line\ntwo\n"


def test_a_clock_set_back_goes_on_in_the_file_of_its_moment(state: Path, template: str) -> None:
    clock = Clock()
    first = Pipe(state, template, clock)
    first.send(b"one\n")
    clock.now -= 3 * DAY
    second = Pipe(state, template, clock)
    second.send(b"two\n")
    clock.now += 3 * DAY
    first.send(b"three\n")
    names = [os.path.basename(segment.path) for segment in manifest_of(state).segments]
    assert names == ["2026-11-22.log", "2026-11-19.log", "2026-11-22.log"]
    assert read_all(state) == b"one\ntwo\nthree\n"


def test_a_clock_set_back_begins_a_segment_though_the_name_stays(state: Path) -> None:
    clock = Clock()
    pipe = Pipe(state, str(state / "journal" / "all.log"), clock)
    pipe.send(b"one\n")
    for step in (-1, -3 * DAY, 5, -30, DAY):
        clock.now += step
        pipe.send(b"more\n")
    assert [segment.time for segment in manifest_of(state).segments] == [NOON, NOON - 3 * DAY - 1]
    assert read_all(state) == b"one\n" + 5 * b"more\n"


def test_files_that_are_removed_before_their_turn_are_read_all_the_same(state: Path, template: str) -> None:
    path = state / "journal" / "2026-11-22.log"
    pipe = Pipe(state, template, Clock())
    pipe.send(b"1\n2\n3\n")
    reader = JournalReader(manifest_of(state), BEGIN)
    assert reader.read(2) == b"1\n"
    for number, unread in ((2, b"four\n"), (3, b"five\n")):
        path.unlink()
        pipe.send(unread)
        assert reader.read(2) == b"%d\n" % number
    path.unlink()
    assert reader.read(100) == b"four\n"
    assert reader.read(100) == b"five\n"
    assert reader.read(100) == b""
    reader.close()
    pipe.close()


def test_two_pipes_share_the_journal_line_by_line(state: Path, template: str) -> None:
    clock = Clock()
    one, two = Pipe(state, template, clock), Pipe(state, template, clock)
    assert one.send(b"half of ") == 8
    assert two.send(b"whole\n") is Turn.HALF
    assert one.send(b"one\n") == 4
    assert two.writer.splice() == 6
    assert read_all(state) == b"half of one\nwhole\n"


def test_a_half_line_whose_writer_is_gone_is_ended_after_a_while(
    state: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("pipelog.intake.writer.time.monotonic", lambda: now[0])
    clock = Clock()
    one, two = Pipe(state, template, clock), Pipe(state, template, clock)
    one.send(b"never ended")
    assert two.send(b"whole\n") is Turn.HALF
    now[0] += LET_GO - 0.01
    assert two.writer.splice() is Turn.HALF
    now[0] += 0.02
    assert two.writer.splice() == 6
    assert read_all(state) == b"never ended\nwhole\n"


def test_a_successor_on_the_same_pipe_goes_on_inside_the_line(state: Path, template: str) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    pipe.send(b"first half, ")
    successor = type(pipe.writer)(state, template, source=pipe.source, clock=clock)
    os.write(pipe.sink, b"second half\n")
    assert successor.splice() == 12
    assert read_all(state) == b"first half, second half\n"


def test_an_orphan_knows_its_successor(state: Path, template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    pipe.send(b"one\n")
    assert not pipe.writer.succeeded()
    monkeypatch.setattr("pipelog.intake.writer.os.getpid", os.getppid)  # a live process other than this one
    successor = type(pipe.writer)(state, template, source=pipe.source, clock=clock)
    os.write(pipe.sink, b"two\n")
    successor.splice()
    assert pipe.writer.splice() is Turn.EMPTY
    assert pipe.writer.succeeded()
    assert not successor.succeeded()


def test_input_that_is_no_pipe_cannot_be_spliced_but_appended(state: Path, template: str, tmp_path: Path) -> None:
    source = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(source, b"x\n")
    from pipelog.intake.writer import Writer

    left, right = os.pipe()
    writer = Writer(state, template, source=source, clock=Clock())
    assert writer.append(b"one\n") == 4
    assert read_all(state) == b"one\n"
    os.close(left)
    os.close(right)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_journal_file_that_vanishes_is_made_anew_and_none_is_read_twice(
    state: Path, template: str, what: str
) -> None:
    pipe = Pipe(state, template, Clock())
    pipe.send(b"one\n")
    reader = JournalReader(manifest_of(state), Position(0, 0))
    assert reader.read(100) == b"one\n"
    pipe.send(b"two\n")
    path = state / "journal" / "2026-11-22.log"
    path.unlink()
    if what == "folder":
        (state / "journal" / ".pipelog-journal").unlink()
        path.parent.rmdir()
    pipe.send(b"three\n")
    assert path.read_bytes() == b"three\n"
    assert reader.read(100) == b"two\n"
    assert reader.read(100) == b"three\n"
    assert reader.read(100) == b""
    assert read_all(state, Position(1, 4)) == b"three\n"


def test_a_template_whose_names_come_again_goes_on_in_the_old_file(state: Path) -> None:
    clock = Clock()
    pipe = Pipe(state, str(state / "journal" / "%a.log"), clock)
    for day in range(9):
        pipe.send(f"day {day}\n".encode())
        clock.now += DAY
    assert len(list((state / "journal").glob("*.log"))) == 7
    assert read_all(state) == b"".join(f"day {day}\n".encode() for day in range(9))


def test_a_state_folder_removed_under_way_is_begun_anew(state: Path, template: str) -> None:
    import shutil

    pipe = Pipe(state, template, Clock())
    pipe.send(b"one\n")
    before = manifest_of(state).journal
    shutil.rmtree(state)
    assert pipe.send(b"two\n") == 4
    assert manifest_of(state).journal not in ("", before)
    assert read_all(state) == b"two\n"


def test_a_line_cut_off_in_the_manifest_is_a_segment_that_was_not_begun(state: Path, template: str) -> None:
    pipe = Pipe(state, template, Clock())
    pipe.send(b"one\n")
    with open(state / "segments", "ab") as file:
        file.write(b'{"n": 2, "pa')
    later = Pipe(state, template, Clock(NOON + DAY))
    later.send(b"two\n")
    assert [segment.number for segment in manifest_of(state).segments] == [1, 2]
    assert read_all(state) == b"one\ntwo\n"


def test_a_damaged_manifest_is_refused(state: Path) -> None:
    (state / "segments").write_text('{"journal": "x"}\nno json\n')
    with pytest.raises(IntakeError, match="segments is damaged"):
        manifest_of(state)


def test_two_state_folders_on_one_archive_are_refused(tmp_path: Path) -> None:
    archive = str(tmp_path / "archive" / "%Y" / "%m-%d.log")
    assert template_root(archive) == tmp_path / "archive"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    Pipe(tmp_path / "one", archive, Clock()).send(b"x\n")
    with pytest.raises(IntakeError, match="is the archive of the state folder"):
        Pipe(tmp_path / "two", archive, Clock()).send(b"x\n")


def test_the_symlink_is_kept_on_the_file_in_use(state: Path, template: str, tmp_path: Path) -> None:
    clock = Clock()
    link = tmp_path / "current.log"
    pipe = Pipe(state, template, clock, symlink=str(link))
    pipe.send(b"one\n")
    assert link.resolve().name == "2026-11-22.log"
    clock.now += DAY
    pipe.send(b"two\n")
    assert link.resolve().name == "2026-11-23.log"


# -- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 20])
def test_whole_lines_in_pieces_of_any_size(state: Path, template: str, size: int) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    for number in range(20):
        pipe.send(b"line %d\n" % number * (number % 3 + 1))
        if number % 7 == 6:
            clock.now += DAY
    pipe.send(b"no end")
    reader = JournalReader(manifest_of(state), Position(0, 0))
    content = b""
    while chunk := reader.read(size):
        assert chunk.endswith(b"\n")
        content += chunk
    assert content == b"".join(b"line %d\n" % number * (number % 3 + 1) for number in range(20))
    assert reader.position == Position(3, reader.position.offset)
    os.write(pipe.sink, b" yet\n")
    pipe.writer.splice()
    assert reader.read(size) == b"no end yet\n"


def test_reading_goes_on_from_any_lines_end(state: Path, template: str) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    whole = b""
    for number in range(10):
        pipe.send(b"%d\n" % number)
        whole += b"%d\n" % number
        clock.now += DAY / 3
    reader = JournalReader(manifest_of(state), Position(0, 0))
    read = b""
    while chunk := reader.read(2):
        read += chunk
        assert read + read_all(state, reader.position) == whole


def test_reading_stops_at_a_given_end(state: Path, template: str) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    pipe.send(b"one\ntwo\n")
    clock.now += DAY
    pipe.send(b"three\nfour\n")
    reader = JournalReader(manifest_of(state), Position(0, 0))
    content = b""
    while chunk := reader.read(100, Position(2, 6)):
        content += chunk
    assert content == b"one\ntwo\nthree\n"
    assert reader.position == Position(2, 6)


def test_a_position_behind_the_files_end_is_set_to_the_end(state: Path, template: str) -> None:
    pipe = Pipe(state, template, Clock())
    pipe.send(b"one\n")
    reader = JournalReader(manifest_of(state), Position(1, 1000))
    assert reader.read(100) == b""
    pipe.send(b"two\n")
    assert reader.read(100) == b"two\n"
    assert reader.clamped == 996


@pytest.mark.parametrize("length", [MAX_LINE, MAX_LINE + 1, 3 * MAX_LINE])
def test_a_line_over_the_longest_is_cut_out_and_counted(state: Path, template: str, length: int) -> None:
    pipe = Pipe(state, template, Clock())
    pipe.send(b"before\n")
    with open(state / "journal" / "2026-11-22.log", "ab") as file:
        file.write(b"x" * length + b"\nafter\n")
    reader = JournalReader(manifest_of(state), Position(0, 0))
    content = b""
    while chunk := reader.read(50_000):
        content += chunk
    kept = b"x" * length + b"\n" if length <= MAX_LINE else b""
    assert content == b"before\n" + kept + b"after\n"
    assert reader.taken_too_long() == (length > MAX_LINE)
    assert reader.position.offset == 7 + length + 1 + 6


# -- keeping -----------------------------------------------------------------------------------------------------


def test_only_counted_files_that_are_old_enough_are_removed(state: Path, template: str) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    for day in range(5):
        pipe.send(b"day %d\n" % day)
        clock.now += DAY
    manifest = manifest_of(state)
    names = [os.path.basename(s.path) for s in manifest.segments]
    assert remove_counted(state, manifest, Position(3, 0), older_than=NOON - DAY) == []
    removed = remove_counted(state, manifest, Position(3, 0), older_than=NOON + 99 * DAY)
    assert [os.path.basename(path) for path in removed] == names[:2]
    assert sorted(p.name for p in (state / "journal").glob("*.log")) == names[2:]
    assert behind(state, Position(4, 2)) == 4 + 6
    pipe.send(b"more\n")
    assert read_all(state) == b"day 2\nday 3\nday 4\nmore\n"
    assert remove_counted(state, manifest, Position(9, 9), older_than=NOON + 99 * DAY)[-1].endswith(names[4])
    assert read_all(state) == b"more\n"  # the file in use is never removed


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_jumps_ahead_makes_no_file_old(
    state: Path, template: str, restarted: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    clock, machine = Clock(), Clock(1_000.0)
    pipe = Pipe(state, template, clock)

    def pass_by(seconds: float) -> None:
        clock.now += seconds
        machine.now += seconds

    def made() -> Retention:
        return Retention(state, 2 * DAY, clock, uptime=machine)

    retention, manifest = made(), manifest_of(state)

    def tidy() -> list[str]:
        return [os.path.basename(path) for path in (made() if restarted else retention).tidy(manifest, Position(99, 0))]

    for day in range(4):
        pipe.send(b"day %d\n" % day)
        assert tidy() == []
        pass_by(DAY)
    pass_by(1)
    assert tidy() == ["2026-11-22.log", "2026-11-23.log"]
    clock.now += 400 * DAY
    pipe.send(b"in a year that is not\n")
    for _ in range(47):
        pass_by(3_600)
        assert tidy() == []
    assert capfd.readouterr().err.count("jumped by +34,560,000 s") == 1
    clock.now -= 400 * DAY
    pipe.send(b"and back\n")
    assert tidy() == []
    pass_by(2 * DAY + 60)
    assert tidy() == ["2026-11-24.log"]


@pytest.mark.parametrize(("off", "removed"), [(60.0, True), (30 * DAY, False), (-DAY, False)])
def test_after_a_start_of_the_machine_only_a_clock_that_can_be_right_is_believed(
    state: Path, template: str, off: float, removed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, machine = Clock(), Clock(9e6)
    pipe = Pipe(state, template, clock)
    retention = Retention(state, DAY, clock, uptime=machine)
    for _ in range(2):
        pipe.send(b"line\n")
        clock.now += DAY
        machine.now += DAY
    retention.tidy(manifest_of(state), Position(0, 0))
    monkeypatch.setattr("pipelog.intake.retention._boot", lambda: "another")
    clock.now += off + 40
    machine.now = 40.0
    assert bool(retention.tidy(manifest_of(state), Position(99, 0))) == removed


@pytest.mark.parametrize("content", [b"", b"7", b"[]", b"[1, 2, 3, 4, 5]", b'["", "a", 0, 0]', b"\xff"])
def test_a_damaged_note_of_the_clock_is_replaced(state: Path, template: str, content: bytes) -> None:
    Pipe(state, template, clock := Clock()).send(b"line\n")
    (state / "clock").write_bytes(content)
    assert Retention(state, DAY, clock, uptime=Clock(5.0)).tidy(manifest_of(state), Position(9, 0)) == []
    assert b"5.0" in (state / "clock").read_bytes()


def test_the_files_in_which_a_days_lines_can_stand(state: Path, template: str) -> None:
    clock = Clock()
    pipe = Pipe(state, template, clock)
    for day in range(8):
        pipe.send(b"day %d\n" % day)
        clock.now += DAY
    files = [os.path.basename(path) for path, _, _ in files_of_days(state, date(2026, 11, 25), date(2026, 11, 25))]
    assert "2026-11-25.log" in files
    assert "2026-11-26.log" in files
    assert "2026-11-22.log" not in files
    assert "2026-11-29.log" not in files
    assert time.strftime("%Y-%m-%d", time.localtime(NOON)) == "2026-11-22"
