"""From the journal to the store: reads whole lines, tallies them, commits, and heals a store that lost its memory."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from datetime import time as clock_time

from pipelog.backends.base import Claiming
from pipelog.backends.keys import Keys
from pipelog.counting.caps import Caps
from pipelog.counting.tally import Batch, Tallier
from pipelog.errors import IntakeError
from pipelog.intake.admitted import Admitted
from pipelog.intake.journal import ZONES, JournalReader, Manifest, Position
from pipelog.intake.ledger import Ledger, Pair
from pipelog.intake.messages import say
from pipelog.intake.plan import Plan
from pipelog.intake.retention import Retention
from pipelog.intake.status import Status, write_status
from pipelog.intake.suspicion import Suspicion
from pipelog.intake.visitors import LiveVisitors
from pipelog.model import Tally
from pipelog.parsing.columns import Columns
from pipelog.parsing.logformat import LogFormat

CHUNK = 1 << 18
"""Bytes read at once."""
FULL = 25_000
"""Coordinates after which a batch is committed before its time."""
PLACES = 5
"""Bad lines whose place is remembered."""
TOTALS = ("lines", "bad", "too_long", "unwritten", "quarantined", "over_caps")
TIDY = 60.0
"""Seconds between two looks for files that may be removed."""


class JournalCounter:
    """Counts one journal. Made by each follower; `lead` before anything else by the one at work."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._format = LogFormat(plan.format)
        self._admitted = Admitted(plan.state)
        self._caps = Caps(plan.rules, self._admitted)
        self._backend = plan.backend()
        self._visitors: LiveVisitors | None = None
        if plan.rules.visitors and isinstance(self._backend, Claiming):
            self._visitors = LiveVisitors(
                self._backend, self._backend, Keys(plan.prefix), plan.state, plan.source, plan.rules
            )
        elif plan.rules.visitors:
            say("this backend cannot tell visitors (it is not Claiming): they are counted in the history alone")
        people = self._visitors.counted if self._visitors else None
        self._tallier = Tallier(plan.rules, self._format, self._caps, people)
        self._tallier.warm_up()
        self._manifest = Manifest(plan.state)
        self._batch = Batch()  # what was read since the last commit was prepared
        self._tally: Tally = {}  # the same, named, should the store have refused it
        self._direct: Tally = {}
        self._unwritten: Counter[str] = Counter()  # totals of what was counted directly, until a commit takes them
        self._totals: Counter[str] = Counter()
        self._places: list[str] = []
        self._retention = Retention(plan.state, plan.keep, plan.clock)
        self._tidied = 0.0
        self._ledger: Ledger
        self._reader: JournalReader
        self._suspicion: Suspicion

    # -- taking over ---------------------------------------------------------------------------------------------

    def lead(self, lock: int) -> bool:
        """Go on where the store says that the journal is counted up to; False while there is no journal yet."""
        self._manifest.refresh()
        if not self._manifest.journal:
            return False
        plan = self._plan
        self._ledger = Ledger(
            self._backend,
            Keys(plan.prefix),
            plan.rules,
            source=plan.source,
            journal=self._manifest.journal,
            state=plan.state,
            clock=plan.clock,
        )
        checkpoint = self._ledger.load()
        if checkpoint is None:
            yesterday = plan.rules.today(plan.clock()) - timedelta(days=1)
            self._ledger.begin(self._first_of(datetime.combine(yesterday, clock_time())))
        if self._visitors:
            self._visitors.lead(plan.clock(), self._manifest.journal)
        latest = self._ledger.latest
        self._totals = Counter(latest.totals)
        self._suspicion = Suspicion(lock, plan.state)
        self._batch, self._tally = Batch(), {}
        self._read_from(latest.position)
        return True

    def _first_of(self, day: datetime) -> Position:
        segment = self._manifest.in_use_at((day - ZONES).timestamp())
        return Position(segment.number, segment.start) if segment else Position(0, 0)

    def _read_from(self, position: Position) -> None:
        if hasattr(self, "_reader"):
            self._reader.close()
        self._reader = JournalReader(self._manifest, position)

    @property
    def position(self) -> Position:
        """Up to where the store has the journal."""
        checkpoint = self._ledger.checkpoint
        assert checkpoint
        if checkpoint.healing:
            return min(checkpoint.position, checkpoint.healing.until)
        return checkpoint.position

    @property
    def uncommitted(self) -> bool:
        """Whether lines have been read that the store does not have yet."""
        return self._reader.position != self.position

    # -- counting ------------------------------------------------------------------------------------------------

    def count(self, deadline: float) -> bool:
        """Tally lines until `deadline` (monotonic) or the batch is full; True when the journal's end is reached."""
        if self._ledger.pending:
            return False
        assert self._ledger.checkpoint
        healing = self._ledger.checkpoint.healing
        until = healing.until if healing else None
        days = frozenset(day for day, _ in healing.lost) if healing else None
        while True:
            self._check_journal()
            start = self._reader.position
            lines = self._reader.read(CHUNK, until)
            if not lines:
                if until is None:
                    return True
                if self._reader.position < until:  # the file was cut: what it held cannot be counted again
                    self._read_from(until)
                return False
            for place, columns in self._survived(start, self._reader.position, lines, again=healing is not None):
                self._add(columns, place, days, healed=healing is not None)
            if len(self._tally) + self._batch.names >= FULL or time.monotonic() >= deadline:
                return False

    def _survived(
        self, start: Position, end: Position, lines: bytes, *, again: bool
    ) -> Iterator[tuple[Position, Columns]]:
        """The lines, but for those that are put aside. They are marked for as long as the caller is at them.

        `again`: they had been read before, and what is put aside among them is known.
        """
        careful = self._suspicion.careful(start, end)
        for begin, stop, piece in _one_by_one(start, end, lines) if careful else [(start, end, lines)]:
            if self._suspicion.begin(begin, stop):
                yield begin, self._columns(piece)
                self._suspicion.survived()
                continue
            path = self._suspicion.quarantine(piece)
            if not again:
                self._totals["quarantined"] += 1
                say(f"a line has ended three workers and is put aside in {path}")

    def _columns(self, lines: bytes) -> Columns:
        return self._format.columns(lines, hosts=self._visitors is not None)

    def _check_journal(self) -> None:
        self._manifest.refresh()
        if self._manifest.journal and self._manifest.journal != self._ledger.journal:
            raise IntakeError("the state folder was replaced while in use; starting anew with what is there")

    def _add(self, columns: Columns, start: Position, days: frozenset[date] | None, *, healed: bool) -> None:
        self._tallier.add(columns, self._batch, days=days)
        if healed:
            return
        self._totals["lines"] += columns.lines
        self._totals["bad"] += len(columns.bad)
        for offset, error in columns.bad[: PLACES - len(self._places)]:
            place = f"{self._reader.path}:{start.offset + offset}"
            self._places.append(f"{place}: {error.reason}")
            say(f"bad line at {place}: {error.reason}", "bad line")

    def count_directly(self, lines: bytes) -> None:
        """Tally lines that stand in no journal."""
        columns = self._columns(lines)
        batch = Batch()
        self._tallier.add(columns, batch)
        self._tallier.tally(batch, self._direct)
        self._unwritten.update(lines=columns.lines, bad=len(columns.bad), unwritten=columns.lines)

    # -- committing ----------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Bring what is tallied into the store; first look whether the store still has its memory."""
        ledger = self._ledger
        if ledger.pending:
            ledger.settle()
            self._committed()
        lost, counted_since = ledger.lost()
        if lost:
            self._heal(lost, counted_since)
            return
        assert ledger.checkpoint
        self._totals.update(self._unwritten)
        self._unwritten.clear()
        position = self._reader.position
        if position == ledger.checkpoint.position and ledger.checkpoint.totals == self._totals:
            ledger.refresh()
            self._tidy()
            return
        self._totals["too_long"] += self._reader.taken_too_long()
        self._tallier.tally(self._batch, self._tally)
        self._batch = Batch()
        self._keep_names()
        self._totals["over_caps"] += self._caps.refused.total()
        self._caps.refused.clear()
        documents = self._visitors.documents() if self._visitors else {}
        ledger.prepare(self._tally, position, dict(self._totals), documents)
        self._tally = {}
        if self._visitors:
            self._visitors.written()
        ledger.settle()
        self._committed()

    def _keep_names(self) -> None:
        for day, places in self._caps.fresh.items():
            self._admitted.save(day, places)
        self._caps.fresh.clear()

    def _committed(self) -> None:
        self.report()
        self._tidy()

    def _tidy(self) -> None:
        """Once in a while, also when no lines come: let go of days that are over."""
        now = self._plan.clock()
        if abs(now - self._tidied) < TIDY:
            return
        self._tidied = now
        today = self._plan.rules.today(now)
        since = today - timedelta(days=2)
        self._caps.forget_before(since)
        self._admitted.forget_before(since)
        if self._plan.keep:
            try:
                self._retention.tidy(self._manifest, self.position)
            except OSError as error:
                say(f"old journal files cannot be removed: {error}", "retention")
        if self._visitors:  # last, as it asks the store, which may fail
            self._visitors.agree(now, self._manifest.journal)

    def commit_directly(self) -> None:
        """Add to the store what was tallied by `count_directly`."""
        if self._direct:
            Ledger.add(self._backend, Keys(self._plan.prefix), self._direct)
            self._direct = {}

    def _heal(self, lost: frozenset[Pair], counted_since: frozenset[Pair]) -> None:
        """The store has forgotten days: count them again from the journal."""
        checkpoint = self._ledger.checkpoint
        assert checkpoint
        days = ", ".join(sorted({day.isoformat() for day, _ in lost}))
        say(f"the store has lost its memory of {days}: counting again from the journal")
        again: Tally = {}
        if self._visitors:
            self._visitors.agree(self._plan.clock(), self._manifest.journal, again=True)
            self._visitors.lost(day for day, _ in lost)
        self._caps.count_anew()
        if counted_since:
            again = self._tally_between(checkpoint.since, checkpoint.position, frozenset(d for d, _ in counted_since))
        start = self._first_of(datetime.combine(min(day for day, _ in lost), clock_time()))
        self._batch, self._tally = Batch(), {}
        self._read_from(start)  # first: should the store fail now, the same step is settled later
        self._ledger.heal(lost, start, again, counted_since)

    def _tally_between(self, start: Position, end: Position, days: frozenset[date]) -> Tally:
        batch, tally = Batch(), Tally()
        reader = JournalReader(self._manifest, start)
        try:
            place = start
            while lines := reader.read(CHUNK, end):
                for _, columns in self._survived(place, reader.position, lines, again=True):
                    self._tallier.add(columns, batch, days=days)
                place = reader.position
        finally:
            reader.close()
        self._tallier.tally(batch, tally)
        return tally

    def report(self) -> None:
        """Say in the status file how far the counting is."""
        checkpoint = self._ledger.checkpoint
        assert checkpoint
        write_status(
            self._plan.state,
            Status(
                os.getpid(),
                self._plan.source,
                self._plan.clock(),
                self.position,
                checkpoint.healing is not None,
                {name: self._totals[name] for name in TOTALS},
                self._plan.restarts,
                self._places,
            ),
        )


def _one_by_one(start: Position, end: Position, lines: bytes) -> Iterator[tuple[Position, Position, bytes]]:
    """Each line with its place; all at once where lines were cut out, so that places cannot be told."""
    if start.segment != end.segment or end.offset - start.offset != len(lines):
        yield start, end, lines
        return
    for line in lines.removesuffix(b"\n").split(b"\n"):
        line += b"\n"
        stop = start._replace(offset=start.offset + len(line))
        yield start, stop, line
        start = stop
