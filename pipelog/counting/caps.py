"""Caps on names: a scanner with ten million addresses costs bounded memory, and no page its place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from pipelog.counting.rules import OTHER, Rules
from pipelog.model import Coordinate, Tally

CAPPED_DIMENSIONS = frozenset(("referrer", "keyword", "bot", "campaign"))
"""Dimensions whose values are strangers' words. The rest have few values by their nature (status, minute)."""

_OWN_PAGES = frozenset(("missing", "bot"))
"""Dimensions with page caps of their own: whoever asks for what is not there, or says that it is a program, takes no
viewed page its place."""


class Caps:
    """Admits names, first come first served, up to the caps of `Rules`; what is over becomes "(other)".

    Nothing is dropped: the count of a refused name is added under "(other)". `refused` says how many counts of each
    kind (site, page, value) that happened to.
    """

    def __init__(self, rules: Rules) -> None:
        self._max_sites = rules.max_sites
        self._max_pages = rules.max_pages
        self._max_values = rules.max_values
        self._sites: defaultdict[date, set[str]] = defaultdict(set)
        self._pages: defaultdict[tuple[date, str, str], set[str]] = defaultdict(set)
        self._values: defaultdict[tuple[date, str, str, str], set[str]] = defaultdict(set)
        self.refused: Counter[str] = Counter()

    def admit(self, coordinate: Coordinate, count: int = 1) -> Coordinate:
        """The coordinate under which this one's `count` belongs."""
        day, site, page, dimension, value = coordinate
        if self._max_sites and not _admitted(self._sites[day], site, self._max_sites):
            self.refused["site"] += count
            site = OTHER
        among = dimension if dimension in _OWN_PAGES else "views"
        if page and self._max_pages and not _admitted(self._pages[day, site, among], page, self._max_pages):
            self.refused["page"] += count
            page = OTHER
        capped = value and self._max_values and dimension in CAPPED_DIMENSIONS
        if capped and not _admitted(self._values[day, site, page, dimension], value, self._max_values):
            self.refused["value"] += count
            value = OTHER
        return Coordinate(day, site, page, dimension, value)

    def add(self, counts: Iterable[tuple[Any, int]], tally: Tally) -> None:
        """Add counts to a tally, under the names that are admitted. `counts`: coordinates, or tuples equal to them."""
        for key, count in counts:
            if key in tally:  # admitted before
                tally[key] += count
            else:
                coordinate = self.admit(key, count)
                tally[coordinate] = tally.get(coordinate, 0) + count

    def forget_before(self, day: date) -> None:
        """Let go of the names of earlier days."""
        for site in [key for key in self._sites if key < day]:
            del self._sites[site]
        for page in [key for key in self._pages if key[0] < day]:
            del self._pages[page]
        for value in [key for key in self._values if key[0] < day]:
            del self._values[value]


def _admitted(names: set[str], name: str, most: int) -> bool:
    if name in names or name == OTHER:
        return True
    if len(names) >= most:
        return False
    names.add(name)
    return True
