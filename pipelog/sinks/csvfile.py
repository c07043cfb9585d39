"""History as CSV files, one a day and source: for spreadsheets, awk and archives.

    2026-11-22.web1.csv

    day,site,page,dimension,value,count
    2026-11-22,www.example.org,/releases/1/,views,,1204
    2026-11-22,,,lines,web1,98304

The last row tells the source (as in the file's name) and how many log lines the day was made from. A file without it
is not whole. What is not printable in a name, and what a spreadsheet would run, is written as `cells` says.

Where visitors are counted, `2026-11-22.web1.visitors` beside it has who they were, in sketches that tell of nobody:

    site,page,key,sketch
    www.example.org,/releases/1/,9f86d081,AQID

Merged pages stand in `merges.csv`. The files of the days stay as they were written: whoever reads them here reads the
old page as the new one. So a merge is one file replaced, however many days it is about.

    site,old,new,since,until
    www.example.org,/old,/new,0001-01-01,9999-12-31
"""

from __future__ import annotations

import binascii
import csv
import fcntl
import os
import re
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, Self, TextIO
from urllib.parse import quote, unquote_to_bytes

from pipelog.errors import PipelogError, StoreError
from pipelog.locators import Location
from pipelog.model import Coordinate, DailyCount, DailySketch, DayInfo
from pipelog.sinks.base import Merging, Sink, Sketching, only_of, refuse_partial
from pipelog.sinks.cells import defuse, undefuse
from pipelog.sinks.merges import Merge, names_on, renamed

HEADER = DailyCount._fields

_SKETCH_HEADER = ("site", "page", "key", "sketch")
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.(.*)\.csv")
_TEMPORARY = (".pipelog-", ".tmp")
_PORTION = 10_000  # rows
_ADVICE = "roll that day up again, or move the file away"


def write_counts(file: TextIO, rows: Iterable[DailyCount], *, header: bool = True) -> None:
    """Write header and rows, names as `cells` has them. `file`: UTF-8, newline="". Lines end in CR LF (RFC 4180, 2.1).

    ValueError for a name that `csv.reader` would refuse as too long (128 Ki characters).
    """
    longest = csv.field_size_limit()
    writer = csv.writer(file, lineterminator="\r\n")
    if header:
        writer.writerow(HEADER)
    for day, *names, count in rows:
        cells = list(map(defuse, names))
        if max(map(len, cells)) > longest:
            raise ValueError(f"a name of more than {longest:,} characters: {max(names, key=len)[:80]!r}...")
        writer.writerow((day.isoformat(), *cells, count))


def read_counts(file: TextIO, day: date | None = None) -> Iterator[DailyCount]:
    """What `write_counts` wrote, of one `day` where given. ValueError names the line and what is wrong with it."""
    reader = csv.reader(file, strict=True)
    try:
        if next(reader, None) != list(HEADER):
            raise ValueError(f"the header is not {','.join(HEADER)}")
        for cells in reader:
            if len(cells) != len(HEADER):
                raise ValueError(f"{len(cells)} cells, not {len(HEADER)}")
            site, page, dimension, value = map(undefuse, cells[1:5])
            row = DailyCount(date.fromisoformat(cells[0]), site, page, dimension, value, int(cells[5]))
            if day is not None and row.day != day:
                raise ValueError(f"is of {row.day}, not of {day}")
            yield row
    except (csv.Error, ValueError) as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


class _DayFile(NamedTuple):
    day: date
    source: str
    path: Path


class CSVSink(Sink, Merging, Sketching):
    """History in the folder `folder`, which the first write makes (0750, files 0640).

    Each file is replaced atomically, so readers need no lock. Writers take turns by a lock on the folder; it is the
    kernel's (flock) and ends with its process. Reading a page reads all files of those days: for many questions a
    second have an SQLite sink.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @classmethod
    def from_location(cls, location: Location) -> Self:
        """From `csv:///folder`."""
        location.take_query({})
        return cls(location.local_path())

    def replace_day(
        self, day: date, source: str, rows: Iterable[DailyCount], *, lines: int, force: bool = False
    ) -> None:
        target = self.folder / f"{day.isoformat()}.{_quote(source)}.csv"
        with self._locked():
            with _errors(target):
                replaces = target.exists()
            if replaces and not force:
                refuse_partial(day, source, lines=lines, stored=_lines(_DayFile(day, source, target)))
            with _replacing(target) as file:
                everything = chain(only_of(day, rows), [_last_row(day, source, lines)])
                write_counts(file, [])
                # In portions, so that an OSError of the caller's rows does not pass for one of the disk.
                while portion := list(islice(everything, _PORTION)):
                    with _errors(target):
                        write_counts(file, portion, header=False)

    def rows(
        self,
        since: date,
        until: date,
        *,
        site: str | None = None,
        page: str | None = None,
        dimension: str | None = None,
    ) -> Iterator[DailyCount]:
        files = [file for file in self._files() if since <= file.day <= until]
        merges = self.merges() if files else []
        for day in sorted({file.day for file in files}):
            sums: dict[Coordinate, int] = {}
            names = names_on(day, merges)
            for file in files:
                if file.day != day:
                    continue
                for row in renamed(_read(file), names):
                    if site in (None, row.site) and page in (None, row.page) and dimension in (None, row.dimension):
                        coordinate = Coordinate(*row[:5])
                        sums[coordinate] = sums.get(coordinate, 0) + row.count
            for coordinate, count in sums.items():
                yield DailyCount(*coordinate, count)

    def days(self) -> list[DayInfo]:
        found = []
        for file in self._files():
            with _errors(file.path):
                written = datetime.fromtimestamp(file.path.stat().st_mtime, UTC)
            found.append(DayInfo(file.day, file.source, _lines(file), written))
        return found

    def replace_sketches(self, day: date, source: str, sketches: Iterable[DailySketch]) -> None:
        target = self._visitors(day, source)
        coming = only_of(day, sketches)
        first = next(coming, None)
        if first is None:
            with self._locked(), _errors(target):
                target.unlink(missing_ok=True)
            return
        with self._locked(), _replacing(target) as file, _errors(target):
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(_SKETCH_HEADER)
            writer.writerows(
                [defuse(s.site), defuse(s.page), s.key.hex(), b64encode(s.sketch).decode("ascii")]
                for s in chain((first,), coming)
            )

    def sketches(self, day: date, *, site: str, page: str | None = None) -> Iterator[DailySketch]:
        names = names_on(day, self.merges())
        for path in [self._visitors(file.day, file.source) for file in self._files() if file.day == day]:
            for sketch in _read_sketches(path, day):
                counted = sketch._replace(page=names.get((sketch.site, sketch.page), sketch.page))
                if counted.site == site and page in (None, counted.page):
                    yield counted

    def _visitors(self, day: date, source: str) -> Path:
        return self.folder / f"{day.isoformat()}.{_quote(source)}.visitors"

    def merge(self, merge: Merge) -> None:
        merge.check()
        with self._locked():
            merges = self.merges()
            if merges[-1:] == [merge]:
                return
            with _replacing(self._merges) as file, _errors(self._merges):
                writer = csv.writer(file, lineterminator="\r\n")
                writer.writerow(Merge._fields)
                writer.writerows([*map(defuse, m[:3]), m.since, m.until] for m in (*merges, merge))

    def merges(self) -> list[Merge]:
        try:
            with open(self._merges, encoding="utf-8", errors="surrogateescape", newline="") as file:
                header, *lines = csv.reader(file)
            if header != list(Merge._fields):
                raise ValueError(f"the header is not {','.join(Merge._fields)}")
            return [
                Merge(
                    undefuse(site), undefuse(old), undefuse(new), date.fromisoformat(since), date.fromisoformat(until)
                )
                for site, old, new, since, until in lines
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self._merges}: {error.strerror}; give this user access to it") from error
        except (csv.Error, ValueError) as error:
            raise StoreError(f"{self._merges}: {error}; mend the file, or move it away and merge again") from error

    @property
    def _merges(self) -> Path:
        return self.folder / "merges.csv"

    def close(self) -> None:
        pass  # nothing stays open between calls

    def _files(self) -> list[_DayFile]:
        """The files of history, ordered by day and source. Other files in the folder are none of ours."""
        found = []
        with _errors(self.folder):
            try:
                names = os.listdir(self.folder)
            except FileNotFoundError:
                return []
        for name in names:
            match = _NAME.fullmatch(name)
            if not match:
                continue
            source = unquote_to_bytes(match[2]).decode("utf-8", "surrogateescape")
            try:
                day = date.fromisoformat(match[1])
            except ValueError:
                continue
            if _quote(source) == match[2]:
                found.append(_DayFile(day, source, self.folder / name))
        return sorted(found)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The folder made and locked, and rid of what a killed writer left behind."""
        with _errors(self.folder):
            self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with _errors(self.folder):
                fcntl.flock(folder, fcntl.LOCK_EX)
                for name in os.listdir(folder):
                    if name.startswith(_TEMPORARY[0]) and name.endswith(_TEMPORARY[1]):
                        os.unlink(name, dir_fd=folder)
            yield
            with _errors(self.folder):
                os.fsync(folder)  # makes a new name outlive a power cut
        finally:
            os.close(folder)


@contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    """A file that takes the place of `target` when the block ends well, and leaves no trace when it does not."""
    with _errors(target):
        descriptor, temporary = tempfile.mkstemp(_TEMPORARY[1], _TEMPORARY[0], target.parent)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            os.fchmod(descriptor, 0o640)
            yield file
            with _errors(target):
                file.flush()
                os.fsync(descriptor)
        with _errors(target):
            os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _quote(source: str) -> str:
    """A source as part of a file name: no slash, no control, and the way back is unique."""
    return quote(source.encode("utf-8", "surrogateescape"), safe="")


def _last_row(day: date, source: str, lines: int) -> DailyCount:
    return DailyCount(day, "", "", "lines", _quote(source), lines)


def _read(file: _DayFile) -> Iterator[DailyCount]:
    """The rows of a file but for its last one, which must show the file to be whole."""
    with _errors(file.path), open(file.path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        last: DailyCount | None = None
        try:
            for row in read_counts(stream, file.day):
                if last is not None:
                    yield last
                last = row
        except ValueError as error:
            raise StoreError(f"{file.path}: {error}; {_ADVICE}") from error
        if last is None or last != _last_row(file.day, file.source, last.count):
            raise StoreError(f"{file.path}: the last row does not tell the source and its lines; {_ADVICE}")


def _read_sketches(path: Path, day: date) -> Iterator[DailySketch]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            if next(reader, None) != list(_SKETCH_HEADER):
                raise ValueError(f"the header is not {','.join(_SKETCH_HEADER)}")
            for site, page, key, sketch in reader:
                content = b64decode(sketch, validate=True)
                yield DailySketch(day, undefuse(site), undefuse(page), bytes.fromhex(key), content)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; give this user access to it") from error
    except (csv.Error, ValueError, binascii.Error) as error:
        raise StoreError(f"{path}: {error}; {_ADVICE}") from error


def _lines(file: _DayFile) -> int:
    """How many log lines a file was made from, read from its end."""
    with _errors(file.path), open(file.path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 1024))  # a file's name has at most 255 bytes, so its last row is shorter
        end = stream.read()
    expected = f"\n{file.day.isoformat()},,,lines,{defuse(_quote(file.source))},".encode("ascii")
    _, found, count = end.rpartition(expected)
    if not found or not re.fullmatch(rb"\d+\r?\n?", count):
        raise StoreError(f"{file.path}: the last row does not tell the source and its lines; {_ADVICE}")
    return int(count)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except PipelogError:
        raise  # some of ours are OSErrors, too
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; give this user a folder to read and write in") from error
