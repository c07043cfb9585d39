"""Packed log files: their content, and what becomes of damaged ones."""

from __future__ import annotations

import gzip
import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pipelog.errors import LogFileError
from pipelog.parsing.logfiles import open_log
from pipelog.parsing.unpacking import AHEAD

KINDS = ["gzip", "isal", "zstd"]
CONTENT = b"".join(b"%d %s\n" % (n, random.Random(n).randbytes(20).hex().encode()) for n in range(100_000))


@pytest.fixture(params=KINDS)
def pack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], bytes]:
    """Packs bytes; they are unpacked by zlib, by isal or by zstandard."""
    if request.param == "gzip":
        monkeypatch.setitem(sys.modules, "isal", None)
    return zstandard.compress if request.param == "zstd" else gzip.compress


def read(path: Path, size: int = 50_000) -> bytes:
    with open_log(str(path)) as (stream, _):
        return b"".join(iter(lambda: stream.read(size), b""))


def threads() -> int:
    return sum(thread.name == "unpacking" for thread in threading.enumerate())


@pytest.mark.parametrize("content", [b"", b"a\n", CONTENT], ids=["empty", "small", "large"])
def test_the_content_comes_back(pack: Callable[[bytes], bytes], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack(content))
    assert read(path) == content
    path.write_bytes(pack(content) + pack(b"more\n"))
    assert read(path) == content + b"more\n"
    assert threads() == 0


def test_zeros_may_fill_up_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"a\n") + bytes(1_000))
    assert read(path) == b"a\n"


def test_the_end_is_told_however_often_it_is_asked_for(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack(b"a\n"))
    with open_log(str(path)) as (stream, _):
        assert [stream.read(10), stream.read(10), stream.read(10)] == [b"a\n", b"", b""]


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.999])
def test_a_file_that_was_cut_off_is_damaged(pack: Callable[[bytes], bytes], tmp_path: Path, keep: float) -> None:
    path = tmp_path / "log"
    packed = pack(CONTENT)
    path.write_bytes(packed[: int(len(packed) * keep)])
    with pytest.raises(LogFileError, match="log is damaged: "):
        read(path)
    assert threads() == 0


def test_a_file_with_a_wrong_byte_is_damaged(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "log"
    packed = bytearray(pack(CONTENT))
    if packed.startswith(b"\x28"):
        packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(LogFileError, match="log is damaged: "):
        read(path)


def test_who_stops_reading_leaves_no_thread(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack(os.urandom(1 << 20) + bytes(AHEAD << 22)))
    with open_log(str(path)) as (stream, _):
        assert stream.read(10)
        assert threads() == 1
    assert threads() == 0
