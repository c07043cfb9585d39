"""From columns of raw bytes to a tally: the same answers as `views.Judge.coordinates`, in loops that run in C.

A log repeats itself: a million lines hold a few thousand pages, a few hundred agents, a line's second is its
neighbour's. So each distinct value is judged once and remembered by its raw bytes (`Memo`), a column is judged by
`map` over the memo, and counted by `Counter`, whose loop over keys is C. What a line counts for is put together only
when the batch ends, once for each distinct key rather than once a line.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from itertools import compress, repeat
from time import monotonic
from typing import Any, TypeVar

from pipelog.counting.caps import Caps
from pipelog.counting.pages import DOUBT
from pipelog.counting.rules import Rules
from pipelog.counting.views import MAX_SIZE, MISSING, Judge, Request
from pipelog.counting.visitors import Visitors
from pipelog.model import Coordinate, Tally
from pipelog.parsing import clf
from pipelog.parsing.columns import Columns
from pipelog.parsing.logformat import LogFormat

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MEMO_BYTES = 8_000_000
"""A memo takes so much at most, about: a flood of new values costs time, never memory."""
MEMO_KEY = 1_024
"""Bytes; a longer value is judged each time it comes."""
_ENTRY = 200
"""Bytes that an entry takes besides the text of its key, about."""

_UNKNOWN = object()
_made = partial(tuple.__new__, Coordinate)  # of a tuple: a third of the time that Coordinate takes
_MISSED = b"%d" % MISSING
_PLAIN = re.compile(rb"([A-Z]++) (/[^\x00- #?\\\x7f-\xff]*+) HTTP/[0-9]\.[0-9]")
_PLAIN_QUERY = re.compile(rb"[^\x00- #\\\x7f-\xff]*+")
_NO_WORDS = "", ""
_PROTOCOLS = frozenset((b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/3.0"))


class Memo(dict[K, V]):
    """A dictionary that works out what it lacks. `size` gives the length of a key's text.

    Bounded: when it is full, it begins anew, and takes over from what it held what is asked for again. So what is asked
    for often stays, and what came once goes.
    """

    def __init__(self, work: Callable[[K], V], size: Callable[[K], int] = len) -> None:  # type: ignore[assignment]
        super().__init__()
        self._work = work
        self._size = size
        self._held = 0
        self._before: dict[K, V] = {}

    def __missing__(self, key: K) -> V:
        value = self._before.pop(key, _UNKNOWN)
        if value is _UNKNOWN:
            value = self._work(key)
        size = self._size(key)
        if size <= MEMO_KEY:
            self._held += size + _ENTRY
            if self._held > MEMO_BYTES // 2:
                self._before = dict(self)
                super().clear()
                self._held = size + _ENTRY
            self[key] = value  # type: ignore[assignment]
        return value  # type: ignore[return-value]

    def clear(self) -> None:
        super().clear()
        self._before.clear()
        self._held = 0


class Requests(Memo[bytes, Request]):
    """Request lines as a judge has them.

    Paths repeat themselves, and so do queries, but not the two together (a tracker's number in each link). So where the
    query is no part of a page's name, a request line with a plain query is put together from its halves each time.
    """

    def __init__(self, judge: Judge) -> None:
        super().__init__(self._judged)
        self._judge = judge
        self._whole = bool(judge.rules.parameters)
        self._paths: Memo[bytes, Request | None] = Memo(self._before_query)
        self._queries: Memo[bytes, tuple[str, str] | None] = Memo(
            lambda raw: judge.in_query(raw.decode("ascii"), False) if _PLAIN_QUERY.fullmatch(raw) else None
        )

    def __missing__(self, raw: bytes) -> Request:
        path, mark, rest = raw.partition(b"?")
        query, _, protocol = rest.rpartition(b" ")
        if not mark or self._whole or protocol not in _PROTOCOLS:
            return super().__missing__(raw)
        request, found = self._paths[path], self._queries[query]
        if request is None or found is None:
            return super().__missing__(raw)
        if request.page is None or found == _NO_WORDS:
            return request
        return Request(request.page, request.missing, *found)

    def clear(self) -> None:
        super().clear()
        self._paths.clear()

    def _before_query(self, raw: bytes) -> Request | None:
        """What method and path mean whatever query follows; None where that cannot be said without it."""
        request = self._plain(raw + b" HTTP/1.1")
        return None if request and request.search else request

    def _judged(self, raw: bytes) -> Request:
        return self._plain(raw) or self._judge.request(*clf.split_request(raw)[:2])

    def _plain(self, raw: bytes) -> Request | None:
        """What nearly all lines mean, the same as by `split_request` in half the time; None where it is another one."""
        plain = _PLAIN.fullmatch(raw)
        return self._judge.request(plain[1].decode("ascii"), plain[2].decode("ascii")) if plain else None


def tells_agent(format: LogFormat) -> bool:
    """Whether lines of this format hold the user agent."""
    return any(directive.lower().endswith("{user-agent}i") for directive in format.directives)


def _whole_minute(time: bytes) -> bytes:
    """A CLF time with its seconds at 0: a day has 86,400 of them, and 1,440 minutes to be read and judged."""
    if time[2:3] == b"/" and time[17:18] == b":" and time[7:11] >= b"1980":  # zones had odd seconds until 1972
        return time[:17] + b":00" + time[20:]
    return time


class Counts:
    """What was counted of one day and site, by the keys that are at hand while counting."""

    __slots__ = ("bytes", "minutes", "missing", "pairs", "requests", "statuses", "views")

    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0
        self.statuses: Counter[bytes] = Counter()  # as in the line
        self.minutes: Counter[str] = Counter()  # views by "HH:MM"
        self.views: Counter[str] = Counter()  # by page
        self.missing: Counter[str] = Counter()
        self.pairs: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)  # dimension -> (page, value)

    def __getstate__(self) -> tuple[Any, ...]:
        """For another process. Names travel in columns: a pair is no object of its own there, half the time and less
        memory."""
        some = ((dimension, pairs) for dimension, pairs in self.pairs.items() if pairs)
        columns = {dimension: (*zip(*pairs, strict=True), [*pairs.values()]) for dimension, pairs in some}
        return self.requests, self.bytes, self.statuses, self.minutes, self.views, self.missing, columns

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.requests, self.bytes, self.statuses, self.minutes, self.views, self.missing, columns = state
        self.pairs = defaultdict(Counter)
        for dimension, (pages, values, counts) in columns.items():
            self.pairs[dimension] = Counter(dict(zip(zip(pages, values, strict=True), counts, strict=True)))

    def add(self, other: Counts) -> None:
        """Add what was counted elsewhere."""
        self.requests += other.requests
        self.bytes += other.bytes
        self.statuses.update(other.statuses)
        self.minutes.update(other.minutes)
        self.views.update(other.views)
        self.missing.update(other.missing)
        for dimension, pairs in other.pairs.items():
            self.pairs[dimension].update(pairs)

    def coordinates(self, day: date, site: str) -> Iterator[tuple[Coordinate, int]]:
        """Each count, as one of this day and site."""
        yield _made((day, site, "", "requests", "")), self.requests
        if self.bytes:
            yield _made((day, site, "", "bytes", "")), self.bytes
        for status, count in self.statuses.items():
            if status != clf.MISSING:
                yield _made((day, site, "", "status", str(int(status)))), count
        for minute, count in self.minutes.items():
            yield _made((day, site, "", "minute", minute)), count
        for dimension, pages in (("views", self.views), ("missing", self.missing)):
            for page, count in pages.items():
                yield _made((day, site, page, dimension, "")), count
        for dimension, pairs in self.pairs.items():
            for (page, value), count in pairs.items():
                yield _made((day, site, page, dimension, value)), count


class Batch(dict[tuple[date, str], Counts]):
    """(day, site) -> what was counted of it. Grows with the distinct names in it, not with the lines."""

    def __missing__(self, group: tuple[date, str]) -> Counts:
        self[group] = made = Counts()
        return made

    @property
    def names(self) -> int:
        """How many counters it holds, about: what its memory and the commit of it cost."""
        return sum(
            5 + len(counts.views) + len(counts.missing) + sum(map(len, counts.pairs.values()))
            for counts in self.values()
        )

    def add(self, other: Batch) -> None:
        """Add what was counted elsewhere."""
        for group, counts in other.items():
            self[group].add(counts)

    def coordinates(self) -> Iterator[tuple[Coordinate, int]]:
        """Each count, under its name as it came: the caps have not been asked."""
        for (day, site), counts in self.items():
            yield from counts.coordinates(day, site)

    def lines(self) -> Counter[date]:
        """The lines of each day."""
        lines: Counter[date] = Counter()
        for (day, _), counts in self.items():
            lines[day] += counts.requests
        return lines


class Tallier:
    """Counts columns of one format. One for a stream of lines: it remembers what it has judged, and the caps.

    `add` columns to a batch, as many as there are, then `tally` it. Where the format lacks the user agent nothing can
    be told a bot. `visitors`: takes in whose views they were, as the lines are added; their columns need `hosts`.
    """

    def __init__(
        self, rules: Rules, format: LogFormat, caps: Caps | None = None, visitors: Visitors | None = None
    ) -> None:
        judge = Judge(rules)
        has_agent = tells_agent(format)
        self.caps = caps or Caps(rules)
        self.visitors = visitors
        self._viewed = frozenset(b"%03d" % status for status in judge.statuses)
        self._stamps: Memo[bytes, tuple[date, str]] = Memo(lambda raw: judge.stamp(clf.clf_time(raw)))
        self._sites: Memo[bytes, str] = Memo(lambda raw: judge.site(clf.text(raw)))
        self._requests = Requests(judge)
        self._own_requests = {site: Requests(judge.of(site)) for site in rules.sites}
        self._forgetful = any(own.resolver for own in (rules, *rules.sites.values()))
        self._forgotten = monotonic()
        self._bots: Memo[bytes, str | None] = Memo(lambda raw: judge.bot(clf.text(raw)) if has_agent else None)
        self._ahead: Memo[bytes, bool] = Memo(lambda raw: judge.fetched_ahead(clf.text(raw)))
        self._referrers: Memo[tuple[bytes, str], tuple[str, str]] = Memo(
            lambda key: judge.of(key[1]).referrer(clf.text(key[0]), key[1]), size=lambda key: len(key[0])
        )

    def warm_up(self) -> None:
        """Load what the first agent and referrer load (80 ms, the list of crawlers): where lines are marked as being
        counted, none may take that long, or a worker that is killed from outside seems to be killed by it."""
        self._bots[b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"]
        self._referrers[b"https://www.example.org/", ""]

    def add(self, columns: Columns, batch: Batch, *, days: frozenset[date] | None = None) -> None:
        """Count every line of `columns` (only those of `days`, where given)."""
        if self._forgetful and monotonic() - self._forgotten >= DOUBT:  # a resolver's answer may be another by now
            for memo in (self._requests, *self._own_requests.values()):
                memo.clear()
            self._forgotten = monotonic()
        for (day, site), part in self._parts(columns):
            if days is None or day in days:
                self._count(batch[day, site], day, site, *part)

    def _parts(self, columns: Columns) -> Iterator[tuple[tuple[date, str], Iterable[Sequence[bytes]]]]:
        """The columns of each day and site among the lines. Mostly there is but one of each."""
        values = columns.values()
        stamps, sites = self._stamps, self._sites
        days = {stamps[minute][0] for minute in set(map(_whole_minute, set(columns.times)))}
        hosts = {sites[host] for host in set(columns.sites)}
        if len(days) == len(hosts) == 1:
            yield (days.pop(), hosts.pop()), values
            return
        parts: defaultdict[tuple[date, str], list[Any]] = defaultdict(list)
        for row in zip(*values, strict=True):
            parts[stamps[_whole_minute(row[0])][0], sites[row[1]]].append(row)
        for group, rows in parts.items():
            yield group, zip(*rows, strict=True)

    def _count(
        self,
        counts: Counts,
        day: date,
        site: str,
        times: Sequence[bytes],
        sites: Sequence[bytes],
        requests: Sequence[bytes],
        statuses: Sequence[bytes],
        sizes: Sequence[bytes],
        referrers: Sequence[bytes],
        agents: Sequence[bytes],
        purposes: Sequence[bytes],
        hosts: Sequence[bytes],
    ) -> None:
        """Count lines of one day and site. Each step is one pass over a column."""
        counts.requests += len(times)
        counts.statuses.update(statuses)
        size = sum(map(int, filter(bytes.isdigit, sizes)))
        if size >= MAX_SIZE:
            size = sum(number for number in map(int, filter(bytes.isdigit, sizes)) if number < MAX_SIZE)
        counts.bytes += size

        memo = self._own_requests.get(site, self._requests)
        pages, missing, campaigns, words, _ = zip(*map(memo.__getitem__, requests), strict=True)
        if _MISSED in statuses:
            counts.missing.update([p for p, status in zip(missing, statuses, strict=True) if status == _MISSED and p])
        viewed = self._viewed
        seen = [page is not None and status in viewed for page, status in zip(pages, statuses, strict=True)]
        ahead = set(purposes)
        if any(map(self._ahead.__getitem__, ahead)):
            seen = [one and not self._ahead[purpose] for one, purpose in zip(seen, purposes, strict=True)]

        bots = list(map(self._bots.__getitem__, agents))
        by_bot = [one and bot for one, bot in zip(seen, bots, strict=True)]
        if any(by_bot):
            counts.pairs["bot"].update(compress(zip(pages, bots, strict=True), by_bot))  # type: ignore[arg-type]
            seen = [one and not bot for one, bot in zip(seen, bots, strict=True)]

        views: list[str] = list(compress(pages, seen))
        if not views:
            return
        counts.views.update(views)
        for time, count in Counter(compress(times, seen)).items():
            counts.minutes[self._stamps[_whole_minute(time)][1]] += count
        if self.visitors is not None:
            self.visitors.add(day, site, views, compress(hosts, seen), compress(agents, seen), self.caps.admit)
        if any(campaigns):
            values = list(compress(campaigns, seen))
            counts.pairs["campaign"].update(compress(zip(views, values, strict=True), values))
        keys = zip(compress(referrers, seen), repeat(site))
        sources, found = zip(*map(self._referrers.__getitem__, keys), strict=True)
        if any(sources):
            counts.pairs["referrer"].update(compress(zip(views, sources, strict=True), sources))
        if any(found) or any(words):
            own = compress(words, seen)
            keywords = [one or other for one, other in zip(own, found, strict=True)]
            counts.pairs["keyword"].update(compress(zip(views, keywords, strict=True), keywords))

    def tally(self, batch: Batch, into: Tally) -> None:
        """Add what a batch holds to a tally, under the names that the caps admit."""
        self.caps.add(batch.coordinates(), into)

    def admits(self, batch: Batch) -> bool:
        """Whether the caps admit all names of a batch, if it holds all that there is to count; this costs no time a
        name. Where not, or when that cannot be said for sure, `tally` it."""
        pages: list[Collection[str]] = []
        pairs: list[Collection[tuple[str, str]]] = []
        for counts in batch.values():
            pages += [counts.views, counts.missing, {page for page, _ in counts.pairs.get("bot", ())}]
            pairs += counts.pairs.values()
        return self.caps.fit(len(batch), pages, pairs)
