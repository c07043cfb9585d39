"""From columns of raw bytes to a tally: the same answers as `views.Judge.coordinates`, each distinct value judged once.

A log repeats itself: a million lines hold a few thousand requests, a few hundred agents. So every part of a line is
judged through a memo keyed by its raw bytes, and a line costs a few dictionary look-ups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from datetime import date
from time import monotonic
from typing import Any, TypeVar

from pipelog.counting.caps import Caps
from pipelog.counting.pages import DOUBT
from pipelog.counting.rules import Rules
from pipelog.counting.views import MAX_SIZE, MISSING, Judge, Request
from pipelog.model import Tally
from pipelog.parsing.clf import clf_time, split_request, text
from pipelog.parsing.columns import Columns
from pipelog.parsing.logformat import LogFormat

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MEMO_BYTES = 12_000_000
"""A memo is emptied when its keys take so much: a flood of new values costs time, never memory."""
MEMO_KEY = 1_024
"""Bytes; a longer value is judged each time it comes."""
_ENTRY = 200
"""Bytes that an entry takes besides the text of its key, about."""


class Memo(dict[K, V]):
    """A dictionary that works out what it lacks. Bounded; `size` gives the length of a key's text."""

    def __init__(self, work: Callable[[K], V], size: Callable[[K], int] = len) -> None:  # type: ignore[assignment]
        super().__init__()
        self._work = work
        self._size = size
        self._held = 0

    def __missing__(self, key: K) -> V:
        value = self._work(key)
        size = self._size(key)
        if size <= MEMO_KEY:
            self._held += size + _ENTRY
            if self._held > MEMO_BYTES:
                self.clear()
                self._held = size + _ENTRY
            self[key] = value
        return value

    def clear(self) -> None:
        super().clear()
        self._held = 0


def tells_agent(format: LogFormat) -> bool:
    """Whether lines of this format hold the user agent."""
    return any(directive.lower().endswith("{user-agent}i") for directive in format.directives)


def _whole_minute(time: bytes) -> bytes:
    """A CLF time with its seconds at 0: a day has 86,400 of them, and 1,440 minutes to be read and judged."""
    if time[2:3] == b"/" and time[17:18] == b":" and time[7:11] >= b"1980":  # zones had odd seconds until 1972
        return time[:17] + b":00" + time[20:]
    return time


class Tallier:
    """Counts columns of one format into a tally. One for a stream of lines: it remembers what it has judged, and the
    caps. Where the format lacks the user agent nothing can be told a bot."""

    def __init__(self, rules: Rules, format: LogFormat, caps: Caps | None = None) -> None:
        judge = Judge(rules)
        has_agent = tells_agent(format)
        self.caps = caps or Caps(rules)
        self._statuses = judge.statuses
        minutes: Memo[bytes, tuple[date, str]] = Memo(lambda raw: judge.stamp(clf_time(raw)))
        self._stamps: Memo[bytes, tuple[date, str]] = Memo(lambda raw: minutes[_whole_minute(raw)])
        self._sites: Memo[bytes, str] = Memo(lambda raw: judge.site(text(raw)))
        self._requests: Memo[Any, Request] = Memo(lambda raw: judge.request(*split_request(raw)[:2]))
        self._own: Memo[bytes, str] | None = None  # host -> its site, where that has rules of its own, else ""
        if rules.sites:
            self._own = Memo(lambda raw: site if (site := self._sites[raw]) in rules.sites else "")
            self._requests = Memo(
                lambda key: judge.of(key[0]).request(*split_request(key[1])[:2]), size=lambda key: len(key[1])
            )
        self._forgetful = any(own.resolver for own in (rules, *rules.sites.values()))
        self._forgotten = monotonic()
        self._bots: Memo[bytes, str | None] = Memo(lambda raw: judge.bot(text(raw)) if has_agent else None)
        self._ahead: Memo[bytes, bool] = Memo(lambda raw: judge.fetched_ahead(text(raw)))
        self._referrers: Memo[tuple[bytes, str], tuple[str, str]] = Memo(
            lambda key: judge.of(key[1]).referrer(text(key[0]), key[1]), size=lambda key: len(key[0])
        )

    def warm_up(self) -> None:
        """Load what the first agent and referrer load (80 ms, the list of crawlers): where lines are marked as being
        counted, none may take that long, or a worker that is killed from outside seems to be killed by it."""
        self._bots[b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"]
        self._referrers[b"https://www.example.org/", ""]

    def add(self, columns: Columns, tally: Tally, *, days: frozenset[date] | None = None) -> Counter[date]:
        """Count every line of `columns` (only those of `days`, where given). Returns the lines of each day."""
        found: list[Any] = []  # plain tuples: equal to a Coordinate, and made in a third of the time
        note = found.append
        sizes: Counter[tuple[date, str]] = Counter()
        stamps, sites, requests = self._stamps, self._sites, self._requests
        bots, ahead, referrers, views = self._bots, self._ahead, self._referrers, self._statuses
        lines: Counter[date] = Counter()
        requested: Sequence[Any] = columns.requests
        if self._own is not None:
            requested = list(zip(map(self._own.__getitem__, columns.sites), columns.requests, strict=True))
        if self._forgetful and monotonic() - self._forgotten >= DOUBT:  # a resolver's answer may be another by now
            self._requests.clear()
            self._forgotten = monotonic()
        for time, host, line, state, size, referrer, agent, purpose in zip(
            columns.times,
            columns.sites,
            requested,
            columns.statuses,
            columns.sizes,
            columns.referrers,
            columns.agents,
            columns.purposes,
            strict=True,
        ):
            day, minute = stamps[time]
            if days is not None and day not in days:
                continue
            lines[day] += 1
            site = sites[host]
            if size.isdigit() and (number := int(size)) < MAX_SIZE:
                sizes[day, site] += number
            note((day, site, "", "requests", ""))
            if state == b"-":
                continue
            status = int(state)
            note((day, site, "", "status", str(status)))
            page, missing, campaign, keyword = requests[line]
            if status == MISSING and missing is not None:
                note((day, site, missing, "missing", ""))
            if page is None or status not in views or ahead[purpose]:
                continue
            bot = bots[agent]
            if bot:
                note((day, site, page, "bot", bot))
                continue
            note((day, site, page, "views", ""))
            note((day, site, "", "minute", minute))
            if campaign:
                note((day, site, page, "campaign", campaign))
            if referrer != b"-":
                source, words = referrers[referrer, site]
                if source:
                    note((day, site, page, "referrer", source))
                keyword = keyword or words
            if keyword:
                note((day, site, page, "keyword", keyword))
        self._merge(Counter(found), tally)
        for (day, site), size_sum in sizes.items():
            if size_sum:
                self._merge({(day, site, "", "bytes", ""): size_sum}, tally)
        return lines

    def _merge(self, batch: dict[Any, int], tally: Tally) -> None:
        admit = self.caps.admit
        for key, count in batch.items():
            if key in tally:  # admitted before
                tally[key] += count
            else:
                coordinate = admit(key, count)
                tally[coordinate] = tally.get(coordinate, 0) + count
