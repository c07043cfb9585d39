"""Parts of log files: the same bytes, cut at line ends."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.errors import LogFileError
from pipelog.parsing.logfiles import open_log
from pipelog.parsing.logparts import LogPart, divided, lines_before, size_of


def content(part: LogPart) -> bytes:
    with open_log(part.path, part.start) as (stream, _):
        pieces = b"".join(iter(lambda: stream.read(1 << 16), b""))
    return pieces if part.end is None else pieces[: part.end - part.start]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")), max_size=30), st.data())
def test_parts_are_the_file_cut_at_line_ends(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("parts") / "log"
    whole = b"\n".join(lines)
    path.write_bytes(whole)
    begins = [0] + [n + 1 for n, byte in enumerate(whole) if byte == 10]
    start = data.draw(st.sampled_from(begins))
    end = data.draw(st.sampled_from([None, len(whole), *(b for b in begins if b >= start)]))
    size = data.draw(st.integers(1, 200))
    given = LogPart(str(path), start, end)
    parts = list(divided([given], size))
    assert b"".join(map(content, parts)) == content(given)
    assert sum(map(size_of, parts)) == size_of(given)
    assert all(part.start in begins for part in parts)
    assert all(one.end == other.start for one, other in pairwise(parts))
    assert parts[-1].end == end
    assert [lines_before(part) for part in parts] == [whole[: part.start].count(b"\n") for part in parts]


def test_parts_are_about_as_large_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"0123456789\n" * 1_000)
    parts = list(divided([LogPart(str(path))], 1_000))
    assert len(parts) == 11
    assert all(900 <= size_of(part) <= 1_100 for part in parts)


def test_a_line_longer_than_a_part_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\n" + b"x" * 200_000 + b"\nb\n")
    parts = list(divided([LogPart(str(path))], 50_000))
    assert [(part.start, part.end) for part in parts] == [(0, 200_003), (200_003, None)]


def test_packed_files_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"a\n" * 100, 0))
    assert list(divided([LogPart(str(path))], 10)) == [LogPart(str(path))]


def test_a_file_that_is_gone_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(LogFileError, match="gone"):
        list(divided([LogPart(str(tmp_path / "gone"))], 10))
