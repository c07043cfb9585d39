"""Log files: found by name, glob or strftime template, and read whether they are compressed or not."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Protocol

from pipelog.errors import LogFileError
from pipelog.parsing.unpacking import GZIP, ZSTD, Unpacked, codec

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
            with faults_of(path):
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
def faults_of(path: str) -> Iterator[None]:
    """Makes every fault of a file a `LogFileError` with its name."""
    try:
        yield
    except EOFError as error:
        raise LogFileError(f"{path} is damaged: {error}") from error
    except LogFileError:
        raise
    except OSError as error:
        raise LogFileError(f"{path}: {error.strerror or error}") from error


def is_packed(path: str) -> bool:
    """Whether a file is compressed, by what it begins with."""
    with faults_of(path), open(path, "rb") as raw:
        return raw.read(4).startswith((GZIP, ZSTD))


class Readable(Protocol):
    """What a log's bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, b"" at the end."""


@contextmanager
def open_log(path: str, start: int = 0) -> Iterator[tuple[Readable, Callable[[], int]]]:
    """A log's bytes from `start` on (of a plain file), .gz and .zst unpacked, and a function that tells how many bytes
    of the file were read since it was asked last. Every fault of the file is a `LogFileError` with its name."""
    with faults_of(path), open(path, "rb", buffering=0) as raw:
        last = start

        def told() -> int:
            nonlocal last
            at = raw.tell()
            last, grown = at, at - last
            return max(0, grown)

        packed = codec(raw.read(4), path)
        raw.seek(start)
        if packed is None:
            yield raw, told
            return
        unpacked = Unpacked(raw, packed)
        try:
            yield unpacked, told
        finally:
            unpacked.close()
