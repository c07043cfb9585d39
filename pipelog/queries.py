"""Answers: today from the counter backend, the days before from the history.

The one rule: a day is taken from the history if it is there (of any source), else from the backend, never from both.
The backend is asked for today and yesterday only, since its keys live 48 hours. A day in the future is nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from heapq import nsmallest
from typing import Literal, NamedTuple

from pipelog.backends.base import CounterBackend
from pipelog.backends.keys import Keys
from pipelog.backends.live import LiveDays
from pipelog.counting.leaders import PAGE_DIMENSIONS, VALUE_DIMENSIONS
from pipelog.counting.sketches import Sketch, people
from pipelog.errors import StoreError
from pipelog.model import DailyCount, PlainCoordinate
from pipelog.sinks.base import Sink, Sketching

RANKED = (*PAGE_DIMENSIONS, *VALUE_DIMENSIONS)
DIMENSIONS = (*RANKED, "minute", "requests", "bytes")

_DAY = timedelta(days=1)
_MOST_SUMS = 100_000
_MOST_OF_A_PART = 10_000
_ONE_VALUE = (*PAGE_DIMENSIONS, "requests", "bytes")  # dimensions whose only value is ""


class PageHits(NamedTuple):
    """The views of a page."""

    today: int
    total: int


@dataclass(frozen=True)
class _Known:
    """What is in the history, as it was looked up at one moment. Its days and its sums belong together."""

    today: date
    expires: float
    live: tuple[date, ...]  #: the days that the history lacks and the backend may have, in order
    finished: frozenset[date]  #: the days that it has
    sums: dict[tuple[str, str], int] = field(default_factory=dict)  #: (site, page) -> views in history


def _as_it_is(page: str) -> str:
    return page


class Hits:
    """Hit numbers of pages. Pages never seen have 0.

    `counters`, `history`: where live and finished days are; either may be missing. They stay the caller's to close.
    `prefix`: namespace of the keys in the backend. `site`: the site where a method is given none.
    `page`: makes the canonical page of what the application passes; None says that it is no page: 0. `site_pages`:
    the same for sites that name their pages by rules of their own.
    `today`: the clock of days. `refresh`: seconds, by `clock`, for which the list of finished days and their sums are
    remembered: so long after a rollup, at most, its day still comes from the backend. A change of the day ends it, too.

    Errors of the stores (`BackendUnavailable`, `StoreError`) pass through. Like its stores, not for several threads
    at once.
    """

    def __init__(
        self,
        *,
        counters: CounterBackend | None,
        history: Sink | None,
        prefix: str = "pipelog",
        site: str = "",
        page: Callable[[str], str | None] = _as_it_is,
        site_pages: Mapping[str, Callable[[str], str | None]] | None = None,
        today: Callable[[], date] = date.today,
        clock: Callable[[], float] = time.monotonic,
        refresh: float = 60.0,
    ) -> None:
        self._live = LiveDays(counters, Keys(prefix)) if counters is not None else None
        self._history = history
        self._site = site
        self._page = page
        self._site_pages = site_pages or {}
        self._today = today
        self._clock = clock
        self._refresh = refresh
        self._known: _Known | None = None

    def today(self, page: str, *, site: str | None = None) -> int:
        """Views of a page today. One read of the backend."""
        return self.daily(page, day := self._today(), day, site=site)[day]

    def total(self, page: str, *, site: str | None = None) -> int:
        """Views of a page on all days, today included."""
        return self.many([page], site=site)[page].total

    def daily(self, page: str, since: date, until: date, *, site: str | None = None) -> dict[date, int]:
        """Views of a page on each day from `since` to `until`, days without any included."""
        numbers = {since + n * _DAY: 0 for n in range((until - since).days + 1)}
        site = self._site if site is None else site
        name = self.named(page, site)
        if name is None:
            return numbers
        ranges, live = self._split(since, until)
        for first, last in ranges:
            for row in self._rows(first, last, site=site, page=name, dimension="views"):
                numbers[row.day] += row.count
        for coordinate, count in self._counts((day, site, name, "views", "") for day in live).items():
            numbers[coordinate[0]] = count
        return numbers

    def many(self, pages: Iterable[str], *, site: str | None = None) -> dict[str, PageHits]:
        """Views of many pages, by the names given: one round trip to the backend, one look into the history."""
        site = self._site if site is None else site
        names = {page: self.named(page, site) for page in pages}
        wanted = {name for name in names.values() if name is not None}
        known = self._look()
        counts = self._counts((day, site, name, "views", "") for day in known.live for name in wanted)
        today: dict[str, int] = {}
        total = self._sums(known, site, wanted)
        for (day, _, name, _, _), count in counts.items():
            total[name] = total.get(name, 0) + count
            if day == known.today:
                today[name] = count
        if self._history is not None and known.today not in known.live:
            today = self._history.totals(known.today, known.today, site=site, pages=wanted, dimension="views")
        return {
            page: PageHits(0, 0) if name is None else PageHits(today.get(name, 0), total.get(name, 0))
            for page, name in names.items()
        }

    def top(
        self,
        n: int = 20,
        day: date | None = None,
        by: str = "views",
        *,
        until: date | None = None,
        site: str | None = None,
        value: str | None = None,
        containing: str = "",
    ) -> list[tuple[str, int]]:
        """The `n` highest of a day (None: today), or of the days from `day` to `until`; highest first, ties by name.

        `by`: pages by "views" or "missing"; values of "referrer", "keyword", "bot", "campaign" (summed over the pages)
        or "status". With a `value` of such a dimension: the pages that have it. `containing`: only pages whose name
        does, whatever the case of A to Z.

        Who takes the last place of a live day, where several tie for it, is not said. Of one on a backend that cannot
        list its keys: among the leaders that the intake noted; values are then summed over the pages that lead by
        views, at most 20,000 keys. Where days are partly live: among the 10,000 highest of each part.
        """
        _check(by, RANKED)
        first = day or self._today()
        site = self._site if site is None else site
        kind: Literal["page", "value"] = "page" if by in PAGE_DIMENSIONS or value is not None else "value"
        ranges, live = self._split(first, until or first)
        most = n if len(ranges) + len(live) == 1 else max(n, _MOST_OF_A_PART)
        sums: Counter[str] = Counter()
        for since, last in ranges:
            if self._history is not None:
                found = self._history.top(
                    most, since, last, site=site, dimension=by, by=kind, value=value, containing=containing
                )
                sums.update(dict(found))
        for each in live:
            if self._live and kind == "page":
                sums.update(self._live.pages(most, each, by, site, value=value, containing=containing))
            elif self._live:
                sums.update(self._live.values(each, by, site))
        return nsmallest(n, sums.items(), key=_rank)

    def breakdown(
        self,
        page: str,
        dimension: str,
        since: date | None = None,
        until: date | None = None,
        *,
        site: str | None = None,
    ) -> dict[str, int]:
        """The values of a dimension of a page and their counts, highest first.

        From the first day there is (`since` None) to today (`until` None). Page "" is the site as a whole, which has
        "status", "minute", "requests" and "bytes".
        """
        _check(dimension, DIMENSIONS)
        site = self._site if site is None else site
        name = self.named(page, site) if page else ""
        if name is None:
            return {}
        sums: Counter[str] = Counter()
        ranges, live = self._split(since or date.min, until or self._today())
        for first, last in ranges:
            for row in self._rows(first, last, site=site, page=name, dimension=dimension):
                sums[row.value] += row.count
        for day in live:
            sums.update(self._live.values(day, dimension, site, name) if self._live else {})
        return dict(sorted(sums.items(), key=_rank))

    def per_minute(self, day: date | None = None, *, site: str | None = None) -> dict[str, int]:
        """Views of a whole site in each minute ("HH:MM") of a day (None: today) that had any, in order."""
        day = day or self._today()
        return dict(sorted(self.breakdown("", "minute", day, day, site=site).items()))

    def each_day(
        self, pages: Iterable[str], since: date, until: date, *, by: str = "views", site: str | None = None
    ) -> dict[str, dict[date, int]]:
        """The counts of many pages in a dimension on each day: one look into the history, days without any left out.

        Pages are named as `top` names them; "" is the site as a whole, and its "minute" the views of all its pages.
        """
        _check(by, DIMENSIONS)
        site = self._site if site is None else site
        found: dict[str, dict[date, int]] = {page: {} for page in pages}
        ranges, live = self._split(since, until)
        for first, last in ranges:
            if self._history is not None:
                days = self._history.daily(first, last, site=site, pages=found, dimension=by)
                for page, counts in days.items():
                    found[page].update(counts)
        if by in _ONE_VALUE:
            for (day, _, page, _, _), count in self._counts(
                (day, site, page, by, "") for day in live for page in found
            ).items():
                found[page][day] = count
        else:
            for day in live:
                for page in found:
                    if self._live and (values := self._live.values(day, by, site, page)):
                        found[page][day] = values.total()
        return found

    def finished(self) -> frozenset[date]:
        """The days that the history has."""
        return self._look().finished

    def visitors(self, day: date | None = None, *, site: str | None = None) -> int:
        """About how many people viewed a site on a day (None: today), each counted once; 0 where visitors are not
        counted. Of one day only: the same person is another one on the next, so days cannot be added up."""
        day, site = day or self._today(), self._site if site is None else site
        ranges, live = self._split(day, day)
        if live:
            return self._live.visitors(day, site) if self._live else 0
        return self._people(day, site, "").get("", 0) if ranges else 0

    def page_visitors(self, day: date, page: str | None = None, *, site: str | None = None) -> dict[str, int]:
        """About how many people viewed each page of a site, or the one named, on a finished day; highest first.

        Empty for a day that is not in the history: of live days a site's visitors are known alone.
        """
        site = self._site if site is None else site
        name = None if page is None else self.named(page, site)
        if (page is not None and name is None) or not self._split(day, day)[0]:
            return {}
        found = self._people(day, site, name)
        found.pop("", None)
        return dict(sorted(found.items(), key=_rank))

    def _people(self, day: date, site: str, page: str | None) -> dict[str, int]:
        if not isinstance(self._history, Sketching):
            return {}
        found: dict[str, list[tuple[bytes, Sketch]]] = {}
        for row in self._history.sketches(day, site=site, page=page):
            try:
                sketch = Sketch.decode(row.sketch)
            except ValueError as error:
                raise StoreError(f"visitors of {day} are {error}; roll the day up again (--force)") from error
            found.setdefault(row.page, []).append((row.key, sketch))
        return {name: people(sketches) for name, sketches in found.items()}

    def sites(self) -> list[str]:
        """The sites that ever had a request."""
        found = set()
        ranges, live = self._split(date.min, self._today())
        for first, last in ranges:
            found |= {row.site for row in self._rows(first, last, page="", dimension="requests")}
        for day in live:
            found |= self._live.sites(day) if self._live else set()
        return sorted(found)

    def by_site(self, dimension: str, since: date, until: date) -> dict[str, int]:
        """The sums of a dimension of whole sites ("requests", "bytes") over days, by site."""
        sums: Counter[str] = Counter()
        ranges, live = self._split(since, until)
        for first, last in ranges:
            for row in self._rows(first, last, page="", dimension=dimension):
                sums[row.site] += row.count
        for day in live:
            sites = self._live.sites(day) if self._live else ()
            sums.update({c[1]: n for c, n in self._counts((day, site, "", dimension, "") for site in sites).items()})
        return dict(sums)

    def rows(self, day: date) -> Iterator[DailyCount]:
        """Every count of a day, of every site.

        PipelogError at once for a live day on a backend that cannot list its keys.
        """
        ranges, live = self._split(day, day)
        if live and self._live:
            return self._live.rows(day)
        return self._rows(day, day) if ranges else iter(())

    def named(self, page: str, site: str) -> str | None:
        """The page that a name stands for on a site, as it is counted; None where it is none."""
        return self._site_pages.get(site, self._page)(page)

    def _rows(
        self,
        since: date,
        until: date,
        *,
        site: str | None = None,
        page: str | None = None,
        dimension: str | None = None,
    ) -> Iterator[DailyCount]:
        if self._history is None:
            return iter(())
        return self._history.rows(since, until, site=site, page=page, dimension=dimension)

    def _counts(self, coordinates: Iterable[PlainCoordinate]) -> dict[PlainCoordinate, int]:
        return self._live.counts(coordinates) if self._live else {}

    def _sums(self, known: _Known, site: str, pages: set[str]) -> dict[str, int]:
        """The views of pages on all days of history."""
        if self._history is None:
            return {}
        if len(known.sums) + len(pages) > _MOST_SUMS:
            known.sums.clear()
        total = {page: known.sums.get((site, page), -1) for page in pages}
        missing = [page for page, views in total.items() if views < 0]
        if missing:
            sums: Counter[str] = Counter()
            for first, last in _ranges(known, date.min, date.max):
                sums.update(self._history.totals(first, last, site=site, pages=missing, dimension="views"))
            known.sums.update(((site, page), sums[page]) for page in missing)
            total.update((page, sums[page]) for page in missing)
        return total

    def _split(self, since: date, until: date) -> tuple[list[tuple[date, date]], list[date]]:
        """The days from `since` to `until`: ranges for the history, and days for the backend."""
        known = self._look()
        return _ranges(known, since, until), [day for day in known.live if since <= day <= until]

    def _look(self) -> _Known:
        today = self._today()
        known = self._known
        if known is None or known.today != today or self._clock() >= known.expires:
            finished = (
                frozenset(info.day for info in self._history.days()) if self._history is not None else frozenset()
            )
            live = tuple(day for day in (today - _DAY, today) if day not in finished)
            known = self._known = _Known(today, self._clock() + self._refresh, live, finished)
        return known


def _ranges(known: _Known, since: date, until: date) -> list[tuple[date, date]]:
    """The days from `since` to `until` but for the live and the future ones, as first and last days."""
    ranges = []
    first = since
    for stop in (*known.live, known.today + _DAY):
        stop = min(stop, until + _DAY) if until < date.max else stop
        if first < stop:
            ranges.append((first, stop - _DAY))
        first = max(first, stop + _DAY)
    return ranges


def _rank(item: tuple[str, int]) -> tuple[int, str]:
    name, count = item
    return -count, name


def _check(dimension: str, known: tuple[str, ...]) -> None:
    if dimension not in known:
        raise ValueError(f"unknown dimension {dimension!r}; known are: {', '.join(known)}")
