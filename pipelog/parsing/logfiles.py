"""Log files: found by name, glob or strftime template, and read whether they are compressed or not."""

from __future__ import annotations

import glob
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import IO, Any, cast

from pipelog.errors import LogFileError

_BUFFER = 1 << 20
_ZSTD_PIECE = 16_384  # bytes; a log shrinks to a tenth or less, and what unpacks to much more comes in small steps
_ENDINGS = (".gz", ".zst")
_FINER = re.compile("%[-_0^#EO]*[HIMSTRXpPkls]")


def find_logs(names: Iterable[str], days: Sequence[date]) -> list[str]:
    """The files that names, globs and strftime templates stand for, each once, in order.

    A template is filled in for each day and the day after, where late lines stand; what is finer than a day is any.
    `LogFileError` for a name or glob that finds nothing, and for a template that finds nothing at all.
    """
    found: dict[tuple[int, int], str] = {}
    for name in names:
        if "%" in name and not os.path.exists(name):
            template = _FINER.sub("*", name)
            around = sorted({day + timedelta(days=n) for day in days for n in (0, 1)})
            paths = [path for day in around for path in _existing(day.strftime(template))]
        else:
            paths = _existing(name)
        if not paths:
            raise LogFileError(f"{name}: no such log file" + (f" for {days[0]}" if "%" in name and days else ""))
        for path in paths:
            # A symbolic link on the log in use stands beside it, and matches the same glob.
            with _faults_of(path):
                info = os.stat(path)
            found.setdefault((info.st_dev, info.st_ino), path)
    return list(found.values())


def _existing(name: str) -> list[str]:
    """The files of one name or glob, also those compressed since. While a file is being compressed it stands there
    twice, and the compressed one is not whole."""
    found: dict[str, str] = {}
    for ending in ("", *_ENDINGS):
        for path in [name + ending] if os.path.exists(name + ending) else sorted(glob.glob(name + ending)):
            plain = next((path.removesuffix(e) for e in _ENDINGS if path.endswith(e)), path)
            if plain not in found or path == plain:
                found[plain] = path
    return [found[plain] for plain in sorted(found)]


@contextmanager
def _faults_of(path: str) -> Iterator[None]:
    """Makes every fault of a file a `LogFileError` with its name."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise LogFileError(f"{path} is damaged: {error}") from error
    except LogFileError:
        raise
    except OSError as error:
        raise LogFileError(f"{path}: {error.strerror or error}") from error


@contextmanager
def open_log(path: str) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """A log's bytes, .gz and .zst unpacked, and a function that tells how many bytes of the file were read since it
    was asked last. Every fault of the file is a `LogFileError` with its name."""
    with _faults_of(path), open(path, "rb") as raw:
        last = 0

        def told() -> int:
            nonlocal last
            at = raw.tell()
            last, grown = at, at - last
            return max(0, grown)

        head = raw.read(4)
        raw.seek(0)
        if head.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=raw) as gunzipped:
                yield cast(IO[bytes], gunzipped), told
        elif head == b"\x28\xb5\x2f\xfd":
            with io.BufferedReader(_Zstd(path, raw), _BUFFER) as unpacked:
                yield cast(IO[bytes], unpacked), told
        else:
            yield raw, told


class _Zstd(io.RawIOBase):
    """The content of a .zst file. zstandard's own reader takes the end of a file that was cut off for its end."""

    def __init__(self, path: str, file: IO[bytes]) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise LogFileError(
                f"{path} is a .zst file; install its reader: pip install 'pipelog-httpd[zstd]'"
            ) from error
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._error = zstandard.ZstdError
        self._file = file
        self._frame = self._new_frame()
        self._begun = False
        self._unread = self._unpacked = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked:
            piece = self._unread or self._file.read(_ZSTD_PIECE)
            if not piece:
                if self._begun:
                    raise EOFError("it ends inside a frame")
                return 0
            self._begun = True
            try:
                self._unpacked = self._frame.decompress(piece)
            except self._error as error:
                raise EOFError(str(error)) from error
            self._unread = b""
            if self._frame.eof:
                self._unread = self._frame.unused_data
                self._frame, self._begun = self._new_frame(), False
        taken = self._unpacked[: len(buffer)]
        self._unpacked = self._unpacked[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)
