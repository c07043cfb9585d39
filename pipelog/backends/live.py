"""A day that is still in the counter backend, read by coordinate, by dimension or as a whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain, product, zip_longest
from typing import Any

from pipelog.backends.base import CounterBackend, Listing
from pipelog.backends.keys import Keys, decode_name, quote, unquote
from pipelog.backends.visitors import live_visitors
from pipelog.counting.leaders import PAGE_DIMENSIONS, VALUE_DIMENSIONS
from pipelog.errors import PipelogError, StoreError
from pipelog.model import Coordinate, DailyCount, PlainCoordinate

MOST_KEYS = 20_000  # asked for in one question to a backend that cannot list; memcached took 10 ms for them, we 100
_MINUTES = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(24 * 60)]
_NAMES_AT_ONCE = 1_000


class LiveDays:
    """Reads the days that a backend holds.

    A backend that is `Listing` tells all it has. Of another one (memcached) only those counters can be read whose
    names are known: the leaders that the intake workers note (`pipelog.counting.leaders`); their counts are exact.
    A hashed counter whose name document is gone is left out: nobody can tell what it counts.
    """

    def __init__(self, backend: CounterBackend, keys: Keys) -> None:
        self._backend = backend
        self._keys = keys

    def counts(self, coordinates: Iterable[PlainCoordinate]) -> dict[PlainCoordinate, int]:
        """The counts of these coordinates, absent where there is none. One round trip."""
        key_of = self._keys.counter
        named = {key_of(coordinate): coordinate for coordinate in coordinates}
        return {named[key]: count for key, count in self._backend.counts(list(named)).items()}

    def rows(self, day: date) -> Iterator[DailyCount]:
        """Everything of a day. PipelogError where the backend cannot list its keys."""
        if not isinstance(self._backend, Listing):
            raise PipelogError(
                f"{day} is not in the history yet, and {type(self._backend).__name__} cannot list its keys (memcached"
                " has no such command): ask for a day that is rolled up, or count into an SQLite backend"
            )
        return self._scan(self._backend, self._keys.day(day))

    def pages(
        self, n: int, day: date, dimension: str, site: str, *, value: str | None = None, containing: str = ""
    ) -> dict[str, int]:
        """The `n` pages that lead a dimension, and their counts; `value`: only its counts, not those of all values.

        `containing`: only pages whose name does, whatever the case of A to Z. Without `Listing`: among the day's
        leaders.
        """
        sums: Counter[str] = Counter()
        if not isinstance(self._backend, Listing):
            for row in self._read_leaders(day, dimension, site, value=value):
                if containing.lower() in row.page.lower():
                    sums[row.page] += row.count
        elif value is None and dimension not in PAGE_DIMENSIONS:
            raise ValueError(f"pages of {dimension!r} are ranked for one value")
        else:
            begin, readable = self._range(day, dimension, site)
            if readable:
                part, end = quote(containing), "|" + quote(value or "")
                most = 10 * n if containing else n  # "c3" is in every "%C3", too
                for key, count in self._backend.highest(begin, most, containing=part, ending=end):
                    coordinate = self._keys.coordinate(key)
                    if coordinate and containing.lower() in coordinate.page.lower():
                        sums[coordinate.page] = count
            for row in self._hashed(self._backend, day, dimension, site):
                if row.value == (value or "") and containing.lower() in row.page.lower():
                    sums[row.page] += row.count
        return dict(sums.most_common(n))

    def values(self, day: date, dimension: str, site: str, page: str | None = None) -> Counter[str]:
        """The values of a dimension and their counts: of one page, or summed over all of them.

        Without `Listing`: of the day's leading values and pages, at most `MOST_KEYS` of both together.
        """
        sums: Counter[str] = Counter()
        if not isinstance(self._backend, Listing):
            for row in self._read_leaders(day, dimension, site, page):
                sums[row.value] += row.count
            return sums
        begin, readable = self._range(day, dimension, site, page)
        if readable:
            for name, count in self._backend.sums(begin).items():
                sums[unquote(name)] += count
        for row in self._hashed(self._backend, day, dimension, site):
            if page in (None, row.page):
                sums[row.value] += row.count
        return sums

    def _range(self, day: date, dimension: str, site: str, page: str | None = None) -> tuple[str, bool]:
        """What the readable keys of a dimension and site, or of one page, begin with; False where none can be."""
        # A key ends in "|site|page|value", so that of the empty value begins all of them.
        begin = self._keys.counter(Coordinate(day, site, page or "", dimension, ""))
        return begin if page is not None else begin[:-1], not self._keys.is_hashed(begin)

    def _hashed(self, backend: Listing, day: date, dimension: str, site: str) -> Iterator[DailyCount]:
        for row in self._scan(backend, self._keys.dimension(day, dimension) + "#"):
            if row.site == site:
                yield row

    def _read_leaders(
        self, day: date, dimension: str, site: str, page: str | None = None, *, value: str | None = None
    ) -> Iterator[DailyCount]:
        for coordinate, count in self.counts(self._candidates(day, dimension, site, page, value)).items():
            yield DailyCount(*coordinate, count)

    def visitors(self, day: date, site: str) -> int:
        """About how many people viewed a site that day; 0 where visitors are not counted."""
        return live_visitors(self._backend, self._keys, day, site)

    def sites(self, day: date) -> set[str]:
        """The sites that had a request that day (without `Listing`: the leading ones)."""
        if isinstance(self._backend, Listing):
            return {row.site for row in self._scan(self._backend, self._keys.dimension(day, "requests"))}
        return set(chain.from_iterable(_names(leaders, "sites") for leaders in self._leaders(day)))

    def _scan(self, backend: Listing, prefix: str) -> Iterator[DailyCount]:
        hashed: dict[str, int] = {}
        for key, count in backend.scan(prefix):
            if self._keys.is_hashed(key):
                hashed[self._keys.name(key)] = count
            elif coordinate := self._keys.coordinate(key):
                yield DailyCount(*coordinate, count)
        names = list(hashed)
        for start in range(0, len(names), _NAMES_AT_ONCE):
            for name, document in self._backend.documents(names[start : start + _NAMES_AT_ONCE]).items():
                yield DailyCount(*decode_name(document), hashed[name])

    def _candidates(
        self, day: date, dimension: str, site: str, page: str | None, value: str | None
    ) -> Iterator[Coordinate]:
        values = [value or ""]
        pages = [""] if page is None else [page]
        if dimension == "minute":
            values = _MINUTES
        elif dimension in PAGE_DIMENSIONS or dimension in VALUE_DIMENSIONS:
            leaders = self._leaders(day)
            if dimension in VALUE_DIMENSIONS and value is None:
                values = _merged(_names(known, "values", dimension, site) for known in leaders)[:MOST_KEYS]
            if page is None and dimension != "status":  # which is counted for the site alone
                of = dimension if dimension in PAGE_DIMENSIONS else "views"
                most = MOST_KEYS // max(len(values), 1)
                pages = _merged(_names(known, "pages", of, site) for known in leaders)[:most]
        for name, each in product(pages, values):
            yield Coordinate(day, site, name, dimension, each)

    def _leaders(self, day: date) -> list[Any]:
        """The leaders of the day as each source knows them."""
        listing = self._keys.document("sources", day=day)
        sources = [source for held in self._read([listing]) for source in held]
        return self._read([self._keys.document("leaders", source, day=day) for source in sources])

    def _read(self, keys: list[str]) -> list[Any]:
        documents = self._backend.documents(keys) if keys else {}
        try:
            return [json.loads(document) for document in documents.values()]
        except ValueError as error:
            raise StoreError(
                f"a document among {keys} is no JSON: empty the backend and run `pipelog replay`"
            ) from error


def _names(leaders: Any, *path: str) -> list[str]:
    for step in path:
        leaders = leaders.get(step, {})
    return list(leaders)


def _merged(lists: Iterable[list[str]]) -> list[str]:
    """One list of all names, each once, the first of every list before the second of any."""
    ranks = zip_longest(*lists)
    return list(dict.fromkeys(name for rank in ranks for name in rank if name is not None))
