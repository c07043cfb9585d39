"""The daily way: from log files to finished days.

The same stages as the live way, from columns to tally; only the input is whole files and the output a sink. The lines
of a day may stand in the files of two: httpd writes a line when a request ends and stamps it with its start.
"""

from __future__ import annotations

import gc
import os
import pickle
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache, partial
from itertools import islice
from typing import Any, NamedTuple

from pipelog.counting.caps import Caps
from pipelog.counting.daykeys import DayKeys, key_id
from pipelog.counting.rules import Rules
from pipelog.counting.sketches import Sketch
from pipelog.counting.tally import Batch, Tallier
from pipelog.counting.visitors import Place, Visitors
from pipelog.model import MOST, Coordinate, DailyCount, DailySketch, Tally
from pipelog.parsing.chunks import LineBuffer, whole_lines
from pipelog.parsing.logfiles import find_logs, is_packed, open_log
from pipelog.parsing.logformat import LogFormat
from pipelog.parsing.logparts import LogPart, divided, lines_before, size_of
from pipelog.sinks.base import Sink, Sketching

__all__ = ["Count", "LogPart", "count_files", "find_logs", "open_log", "rollup", "size_of", "write"]

PLACES = 5
"""Bad lines whose place is remembered."""
CHUNK = 1 << 17
"""Bytes read at once; eight times as many are a fifth slower, for they do not stay in the processor's cache."""
TASK = 1 << 27
"""Bytes of a plain file that are a task: few enough that all cores have work to the end, and enough that what the tasks
have in common (most pages) is not judged and added up too often."""
TASK_NAMES = 150_000
"""Names after which a task over a plain file ends; what is left of its part is another task. So it holds few of them,
and the caps are asked by who adds up alone."""
HELD = 2
"""Results of tasks that wait, pickled, until there is nothing more to be counted: so the memory that counting takes and
that of adding up are not needed at once."""
NAMES = 300_000
"""Names after which a batch gets its coordinates and so is capped: a flood of new ones costs bounded memory."""

_row = partial(tuple.__new__, DailyCount)  # of a tuple: a third of the time that DailyCount takes


class BadLine(NamedTuple):
    """Where a bad line stands, as a task knows it: to count the lines before its part takes long, and few are told."""

    part: LogPart
    line: int  #: of the part, from 1
    reason: str


@dataclass(eq=False)
class Count:
    """What was counted in some files."""

    capped: Tally = field(default_factory=dict, repr=False)  #: what the caps have judged
    #: the rest; in the end it is empty, or holds all, and the caps admit it as it is
    batch: Batch = field(default_factory=Batch, repr=False)
    lines_of: Counter[date] = field(default_factory=Counter)  #: lines of each wanted day
    lines: int = 0  #: lines that are not empty, of any day
    bad: int = 0
    too_long: int = 0
    first_bad: list[BadLine] = field(default_factory=list)  #: `PLACES` of them
    sketches: dict[Place, Sketch] = field(default_factory=dict)  #: whose views they were, where visitors are counted

    @property
    def bad_places(self) -> list[str]:
        """The first few bad lines: file, line, reason. Reads what of the files stands before them."""
        places, before = [], cache(lines_before)
        for part, line, reason in self.first_bad:
            try:
                where = f"line {before(part) + line}"
            except OSError:  # the file is gone by now
                where = f"line {line} from byte {part.start} on"
            places.append(f"{part.path}, {where}: {reason}")
        return places

    @property
    def tally(self) -> Tally:
        """All counts, put together each time that it is asked for."""
        return dict(self.counts())

    def counts(self) -> Iterator[tuple[Coordinate, int]]:
        """All counts, each coordinate once."""
        return self.batch.coordinates() if self.batch else iter(self.capped.items())

    def rows(self, day: date) -> Iterator[DailyCount]:
        """The rows of one day; none counts more than `MOST`."""
        return (_row((*at, count if count < MOST else MOST)) for at, count in self.counts() if at[0] == day)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Count):
            return NotImplemented
        told = [
            vars(count) | {"capped": count.tally, "batch": None, "first_bad": count.bad_places}
            for count in (self, other)
        ]
        return told[0] == told[1]

    def add(self, other: Count, caps: Caps) -> None:
        """Add what was counted elsewhere; names over the caps become "(other)"."""
        self.batch.add(other.batch)
        caps.add(other.capped.items(), self.capped)
        for (day, site, page), sketch in other.sketches.items():
            _, site, page, _, _ = caps.admit(Coordinate(day, site, page, "views", ""), 0)
            self.sketches.setdefault((day, site, page), Sketch()).merge(sketch)
        self.lines_of += other.lines_of
        self.lines += other.lines
        self.bad += other.bad
        self.too_long += other.too_long
        self.first_bad = (self.first_bad + other.first_bad)[:PLACES]

    def __getstate__(self) -> dict[str, Any]:
        """For another process. Names travel in columns, which take a quarter of the time that coordinates take."""
        names = tuple(zip(*self.capped, strict=True)), tuple(self.capped.values())
        sketches = {place: sketch.encode() for place, sketch in self.sketches.items()}
        return vars(self) | {"capped": names, "sketches": sketches}

    def __setstate__(self, state: dict[str, Any]) -> None:
        names, counts = state["capped"]
        capped = dict(zip(map(Coordinate._make, zip(*names, strict=True)), counts, strict=True))
        sketches = {place: Sketch.decode(encoded) for place, encoded in state["sketches"].items()}
        vars(self).update(state | {"capped": capped, "sketches": sketches})


def rollup(
    files: Iterable[str | os.PathLike[str] | LogPart],
    day: date | Sequence[date],
    sink: Sink,
    *,
    source: str,
    format: str = "combined",
    rules: Rules | None = None,
    executor: Executor | None = None,
    force: bool = False,
    task_size: int = TASK,
    ahead: int | None = None,
    progress: Callable[[int], None] | None = None,
    keys: DayKeys | None = None,
) -> Count:
    """Count `files` and make the result the whole of what `source` has for `day` (or each of several days).

    Only lines stamped with a wanted day count, in whatever file they stand. `executor`: any
    `concurrent.futures.Executor`; a task is a packed file, or about `task_size` bytes of a plain one; `ahead` of them
    are handed out at once (None: all), and wait in memory to be added up.
    `progress` is told the bytes read as they are read. Raises
    `LogFileError` (nothing was changed) and `PartialDayError` (earlier days of the call are written).
    """
    days = [day] if isinstance(day, date) else list(day)
    keys = keys or DayKeys()
    count = count_files(
        files,
        days,
        format=format,
        rules=rules,
        executor=executor,
        task_size=task_size,
        ahead=ahead,
        progress=progress,
        keys=keys,
    )
    write(count, days, sink, source=source, keys=keys, force=force)
    return count


def write(count: Count, days: Sequence[date], sink: Sink, *, source: str, keys: DayKeys, force: bool = False) -> None:
    """Make what was counted under `keys` the whole of what `source` has for each day. Raises `PartialDayError` (earlier
    days are written) and `StoreError`."""
    with uncollected():
        for day in days:
            sink.replace_day(day, source, count.rows(day), lines=count.lines_of[day], force=force)
            if isinstance(sink, Sketching):  # without visitors there are none, also where there were some before
                sink.replace_sketches(day, source, sketches_of(count, day, keys))


def sketches_of(count: Count, day: date, keys: DayKeys) -> Iterator[DailySketch]:
    """Whose views they were that were counted of one day."""
    for (of, site, page), sketch in count.sketches.items():
        if of == day:
            yield DailySketch(day, site, page, key_id(keys(day)), sketch.encode())


def count_files(
    files: Iterable[str | os.PathLike[str] | LogPart],
    days: Sequence[date] | None,
    *,
    format: str = "combined",
    rules: Rules | None = None,
    executor: Executor | None = None,
    task_size: int = TASK,
    ahead: int | None = None,
    close: bool = False,
    progress: Callable[[int], None] | None = None,
    keys: DayKeys | None = None,
) -> Count:
    """Tally the lines of the wanted days (None = any) in some files; the executor as for `rollup`. `close`: it is shut
    down as soon as its tasks are done, before their last results are added up.

    Raises `LogFileError`, `FormatError`, `SettingsError`. With an executor a packed file of very many names is capped
    before it is added, so that a name may stand under "(other)" there which one pass over all files had room for; no
    count is lost.
    """
    if ahead is not None and ahead < 1:
        raise ValueError(f"ahead: {ahead} tasks would count nothing; give one, or None for all")
    rules = rules or Rules()
    parts = [file if isinstance(file, LogPart) else LogPart(os.fspath(file)) for file in files]
    wanted = None if days is None else frozenset(days)
    total, caps, keys = Count(), Caps(rules), keys or DayKeys()
    counter = FileCounter(format, rules, wanted, caps, keys)  # also finds wrong settings before any task does
    with uncollected():
        if executor is None:
            for part in parts:
                counter.count(part, total, progress)
            if counter.tallier.visitors:
                total.sketches = dict(counter.tallier.visitors.sketches)
            counter.finish(total)
            return total
        task = partial(count_part, format=format, rules=rules, days=wanted, keys=keys)
        tasks = divided(parts, task_size)
        for count in _in_tasks(executor, task, tasks, ahead=ahead, close=close, progress=progress):
            total.add(count, caps)
            if total.batch.names > NAMES:
                counter.settle(total)
            del count  # before the next one is unpickled
        counter.finish(total)
        return total


@contextmanager
def uncollected() -> Iterator[None]:
    """Without Python's cycle collector: counting makes no cycles, and to look for them among millions of live names
    takes a fifth of its time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


Counted = tuple[bytes, LogPart | None]
"""What was counted of a part, pickled (a tenth of the memory, until it is added up), and what of it is left."""


def _in_tasks(
    executor: Executor,
    task: Callable[[LogPart], Counted],
    parts: Iterator[LogPart],
    *,
    ahead: int | None,
    close: bool,
    progress: Callable[[int], None] | None,
) -> Iterator[Count]:
    """What was counted in `parts`, in their order: so the caps admit the same names every time."""
    running: dict[Future[Counted], LogPart] = {}
    waiting: deque[Future[Counted]] = deque()
    done: dict[Future[Counted], Future[Counted] | None] = {}  # and the task for what was left

    def begun(part: LogPart) -> Future[Counted]:
        future = executor.submit(task, part)
        running[future] = part
        return future

    def in_order(held: int) -> Iterator[Count]:
        while waiting and waiting[0] in done and len(done) > held:
            future = waiting.popleft()
            if following := done.pop(future):
                waiting.appendleft(following)
            yield pickle.loads(future.result()[0])

    try:
        while True:
            waiting.extend(map(begun, islice(parts, None if ahead is None else ahead - len(running))))
            if not running:
                break
            future = next(as_completed(running))
            part = running.pop(future)
            _, rest = future.result()
            done[future] = begun(rest) if rest else None
            if progress:
                progress(size_of(part) - (size_of(rest) if rest else 0))
            yield from in_order(HELD)
        if close:
            executor.shutdown()
        yield from in_order(0)
    except BrokenExecutor:
        running.clear()  # Python 3.11 has a traceback for a future that is cancelled while all are told of it
        raise
    finally:
        for future in running:
            future.cancel()


_process = threading.local()


def count_part(part: LogPart, format: str, rules: Rules, days: frozenset[date] | None, keys: DayKeys) -> Counted:
    """Tally one part: a task for an executor. What a process has judged it remembers for its next task."""
    wanted = format, rules, days, keys
    with uncollected():
        if getattr(_process, "wanted", None) != wanted:
            _process.wanted, _process.counter = wanted, FileCounter(format, rules, days, Caps(rules), keys)
        counter: FileCounter = _process.counter
        counter.tallier.caps = Caps(rules)
        people = counter.tallier.visitors
        if people:
            people.forget(lambda day: True)
        count = Count()
        rest = counter.count(part, count, None, most=None if is_packed(part.path) else TASK_NAMES)
        if people:
            count.sketches = dict(people.sketches)
        return pickle.dumps(count), rest


class FileCounter:
    """Counts files, one after the other, into a `Count`; remembers what it has judged from one to the next.

    Raises `FormatError` and `SettingsError` when made.
    """

    def __init__(self, format: str, rules: Rules, days: frozenset[date] | None, caps: Caps, keys: DayKeys) -> None:
        self._format = LogFormat(format)
        self.tallier = Tallier(rules, self._format, caps, Visitors(keys, pages=True) if rules.visitors else None)
        self._days = days

    def count(
        self, part: LogPart, into: Count, progress: Callable[[int], None] | None, most: int | None = None
    ) -> LogPart | None:
        """Add one file, or as much of a plain one as it takes for `most` names; returns what is left of it. `settle`
        what stands in the batch afterwards."""
        buffer, at = LineBuffer(numbered=True), part.start
        with open_log(part.path, part.start) as (stream, told):
            newlines = 0

            def read(size: int) -> bytes:
                nonlocal at
                piece = stream.read(size if part.end is None else min(size, part.end - at))
                at += len(piece)
                if progress:
                    progress(told())
                return piece

            for chunk in whole_lines(read, buffer, CHUNK):
                columns = self._format.columns(chunk, hosts=self.tallier.visitors is not None)
                for offset, error in columns.bad[: max(0, PLACES - len(into.first_bad))]:
                    line = newlines + chunk.count(b"\n", 0, offset) + 1
                    into.first_bad.append(BadLine(part, line, error.reason))
                if len(into.first_bad) < PLACES:
                    newlines += chunk.count(b"\n")
                self.tallier.add(columns, into.batch, days=self._days)
                into.lines += columns.lines
                into.bad += len(columns.bad)
                if most and into.batch.names > most:
                    into.too_long += buffer.too_long
                    return LogPart(part.path, at - buffer.held, part.end)
                if into.batch.names > NAMES:
                    self.settle(into)
        into.too_long += buffer.too_long
        return None

    def settle(self, count: Count) -> None:
        """Have the caps judge what stands in the batch, so that it is no longer held."""
        count.lines_of += count.batch.lines()
        self.tallier.tally(count.batch, count.capped)
        count.batch = Batch()

    def finish(self, count: Count) -> None:
        """The same when all is counted; where the caps admit it as it is, it stays."""
        if count.capped or not self.tallier.admits(count.batch):
            self.settle(count)
        else:
            count.lines_of += count.batch.lines()
