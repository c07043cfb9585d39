"""The fast way through a log: a chunk of lines in, columns of raw values out.

One regular expression runs over the whole chunk, as `findall` builds its rows in C; a line that it does not take is
read again by the exact way, so that one odd line costs itself and no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import NamedTuple

from pipelog.errors import LineError
from pipelog.parsing import clf
from pipelog.parsing.patterns import PLAIN_TIME


class Raw(NamedTuple):
    """What the counting stage needs of one line, each as httpd wrote it (escaped); b"-" for what is not there."""

    time: bytes  #: CLF text without brackets; without offset where the format has none
    site: bytes
    request: bytes  #: %r
    status: bytes
    size: bytes
    referrer: bytes
    agent: bytes
    purpose: bytes  #: of all purpose headers that the format holds (`roles.PURPOSE_HEADERS`)
    host: bytes  #: the client: %h or %a


class Columns(NamedTuple):
    """The good lines of a chunk, in order: tuples of equal length, one for each value of `Raw`.

    `lines` counts the lines that are not empty, good and bad; `bad` has for each bad one the byte at which it begins
    in the chunk, and what is wrong with it.
    """

    times: tuple[bytes, ...]
    sites: tuple[bytes, ...]
    requests: tuple[bytes, ...]
    statuses: tuple[bytes, ...]
    sizes: tuple[bytes, ...]
    referrers: tuple[bytes, ...]
    agents: tuple[bytes, ...]
    purposes: tuple[bytes, ...]
    hosts: tuple[bytes, ...]
    lines: int
    bad: list[tuple[int, LineError]]

    def values(self) -> tuple[tuple[bytes, ...], ...]:
        """The columns alone, in the order of `Raw`."""
        return self[:-2]


#: How one line is read exactly; raises LineError.
ReadLine = Callable[[bytes], Raw]


def is_empty(line: bytes) -> bool:
    """Whether a line holds nothing but blanks, so that it is no entry, good or bad."""
    return not line.strip(b" \t\r\n")


def line_by_line(chunk: bytes, read: ReadLine) -> Columns:
    """Columns of a chunk whose every line is read exactly."""
    rows, bad, lines = [], [], 0
    offset = 0
    for line in chunk.split(b"\n"):
        if not is_empty(line):
            lines += 1
            try:
                rows.append(read(line))
            except LineError as error:
                bad.append((offset, _bare(error)))
        offset += len(line) + 1
    return _columns(list(zip(*rows, strict=True)) or [()] * len(Raw._fields), lines, bad)


class FastReader:
    """Reads chunks by a pattern of `patterns.fast`. `groups`: for each value of `Raw` the number of its group in the
    pattern, from 0, or None where the format lacks it; that of the time is there. `read` takes the other lines."""

    def __init__(self, pattern: bytes, groups: tuple[int | None, ...], read: ReadLine) -> None:
        self._findall = re.compile(pattern).findall
        self._groups = groups
        self._read = read

    def columns(self, chunk: bytes) -> Columns:
        """Columns of a chunk of whole lines; the last may lack its newline."""
        if not chunk.endswith(b"\n"):
            chunk += b"\n"
        rows = self._findall(chunk)
        if len(rows) != chunk.count(b"\n"):
            return self._halved(chunk)
        *values, unmatched = zip(*rows, strict=True)
        values.append((clf.MISSING,) * len(rows))  # the last: where the group is None
        columns = [values[-1 if group is None else group] for group in self._groups]
        odd = _with_impossible_times(unmatched, columns[0], chunk)
        return self._mended(chunk, columns, odd) if any(odd) else _columns(columns, len(rows), [])

    def _halved(self, chunk: bytes) -> Columns:
        """Columns of a chunk in which the pattern took a newline for a part of a value."""
        middle = chunk.find(b"\n", len(chunk) // 2, -1) + 1 or chunk.rfind(b"\n", 0, len(chunk) // 2) + 1
        if not middle:
            return line_by_line(chunk, self._read)
        first, second = self.columns(chunk[:middle]), self.columns(chunk[middle:])
        columns = [(*one, *other) for one, other in zip(first.values(), second.values(), strict=True)]
        bad = [*first.bad, *((middle + offset, error) for offset, error in second.bad)]
        return _columns(columns, first.lines + second.lines, bad)

    def _mended(self, chunk: bytes, given: Sequence[tuple[bytes, ...]], odd: Sequence[bytes]) -> Columns:
        """The columns with the values of the odd lines, and without the rows of those that have none."""
        columns = [list(column) for column in given]
        good, bad, empty = [True] * len(odd), [], 0
        for number in compress(range(len(odd)), odd):
            line = odd[number].removesuffix(b"\n")
            if is_empty(line):
                good[number] = False
                empty += 1
                continue
            try:
                raw = self._read(line)
            except LineError as error:
                good[number] = False
                bad.append(_bare(error))
                continue
            for column, value in zip(columns, raw, strict=True):
                column[number] = value
        kept = [tuple(compress(column, good)) for column in columns]
        return _columns(kept, len(odd) - empty, list(_placed(bad, chunk)))


def _with_impossible_times(unmatched: Sequence[bytes], times: Sequence[bytes], chunk: bytes) -> Sequence[bytes]:
    """`unmatched`, and with it the lines whose time is none or names a day like 31/Feb: the pattern has not looked."""
    # Few times are distinct, and few days of those: sets make this cheap.
    distinct = set(times) - {b""}
    days = {time[:11] for time in distinct}
    impossible = {day for day in days if not _is_day(day)}
    odd = {time for time in distinct if time[:11] in impossible or not PLAIN_TIME.fullmatch(time)}
    if not odd:
        return unmatched
    lines = chunk.removesuffix(b"\n").split(b"\n")
    return [line + b"\n" if time in odd else other for other, time, line in zip(unmatched, times, lines, strict=True)]


def _placed(errors: list[LineError], chunk: bytes) -> Iterator[tuple[int, LineError]]:
    """Each error with the byte at which its line begins. A line like that of an error is one of another, so the next
    that is like it, from the last on, is it."""
    begin = -1
    chunk = b"\n" + chunk
    for error in errors:
        begin = chunk.index(b"\n" + error.line + b"\n", begin + 1)
        yield begin, error


def _bare(error: LineError) -> LineError:
    """The error without the frames it came through, which would keep the whole chunk in memory."""
    error.__context__ = None
    return error.with_traceback(None)


def _columns(columns: Sequence[tuple[bytes, ...]], lines: int, bad: list[tuple[int, LineError]]) -> Columns:
    times, sites, requests, statuses, sizes, referrers, agents, purposes, hosts = columns
    return Columns(times, sites, requests, statuses, sizes, referrers, agents, purposes, hosts, lines, bad)


def _is_day(day: bytes) -> bool:
    try:
        clf.clf_time(day + b":00:00:00")
    except ValueError:
        return False
    return True
