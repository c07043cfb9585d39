"""From pieces of any size to whole lines."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.parsing.chunks import MAX_LINE, LineBuffer, whole_lines

LONG = b"x" * (MAX_LINE + 1)
LONGEST = b"y" * MAX_LINE


@pytest.mark.parametrize(
    ("pieces", "given", "rest"),
    [
        ([b""], [b""], b""),
        ([b"a\n"], [b"a\n"], b""),
        ([b"a\nb\n"], [b"a\nb\n"], b""),
        ([b"a"], [b""], b"a"),
        ([b"a", b"b\nc", b"\n\n", b"d"], [b"", b"ab\n", b"c\n\n", b""], b"d"),
        ([b"\n"], [b"\n"], b""),
        ([b"a\r\nb"], [b"a\r\n"], b"b"),
    ],
)
def test_pieces(pieces: list[bytes], given: list[bytes], rest: bytes) -> None:
    buffer = LineBuffer()
    assert [buffer.feed(piece) for piece in pieces] == given
    assert buffer.held == len(rest)
    assert buffer.rest() == rest
    assert (buffer.held, buffer.too_long, buffer.rest()) == (0, 0, b"")


def kept(content: bytes, *, numbered: bool = False) -> bytes:
    """What must remain: lines that are short enough; the last one without newline too."""
    lines = content.split(b"\n")
    short = [line + b"\n" if len(line) <= MAX_LINE else b"\n" * numbered for line in lines[:-1]]
    return b"".join(short) + (lines[-1] if len(lines[-1]) <= MAX_LINE else b"")


CONTENTS = {
    "first": LONG + b"\na\n",
    "middle": b"a\n" + LONG + b"\nb\n",
    "last": b"a\n" + LONG + b"\n",
    "unfinished": b"a\n" + LONG,
    "two": b"a\n" + LONG + b"\n" + LONG + b"\nb\n",
    "much longer": b"a\n" + LONG * 5 + b"\nb\n" + LONG * 2 + b"\nc",
    "just not": b"a\n" + LONGEST + b"\nb\n" + LONGEST + b"\n" + LONGEST,
    "many short": b"a line of some length\n" * 30_000,
    "newlines": b"\n" * (2 * MAX_LINE),
}


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("size", [1_000, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, MAX_LINE + 2, 1 << 20])
@pytest.mark.parametrize("name", CONTENTS)
def test_lines_that_are_too_long_are_cut_out_and_counted(name: str, size: int, numbered: bool) -> None:
    content = CONTENTS[name]
    buffer = LineBuffer(numbered=numbered)
    chunks = list(whole_lines(io.BytesIO(content).read, buffer, size))
    assert b"".join(chunks) == kept(content, numbered=numbered)
    assert buffer.too_long == sum(len(line) > MAX_LINE for line in content.split(b"\n"))
    assert all(chunk.endswith(b"\n") for chunk in chunks[:-1])


def test_a_line_without_end_takes_no_memory() -> None:
    buffer = LineBuffer()
    for _ in range(1_000):
        buffer.feed(b"x" * 10_000)
    assert buffer.held == 10_000_000
    assert sum(map(len, buffer._parts)) <= MAX_LINE


def test_no_byte_is_read_again_for_each_piece() -> None:
    """Time grows with the length, not with its square: 128 KiB a byte at a time."""
    buffer = LineBuffer()
    begin = time.process_time()
    for _ in range(MAX_LINE):
        buffer.feed(b"x")
    assert buffer.feed(b"\n") == b"x" * MAX_LINE + b"\n"
    assert time.process_time() - begin < 2


@settings(deadline=None)
@given(st.lists(st.text("ab\n", max_size=9).map(str.encode)))
def test_nothing_is_lost_and_lines_are_whole(pieces: list[bytes]) -> None:
    buffer = LineBuffer()
    taken = 0
    chunks = []
    for piece in pieces:
        taken += len(piece)
        chunks.append(buffer.feed(piece))
        assert chunks[-1] == b"" or chunks[-1].endswith(b"\n")
        assert sum(map(len, chunks)) == taken - buffer.held
    assert b"".join(chunks) + buffer.rest() == b"".join(pieces)
