"""Pages of the history that were made one: what is remembered of a merge, and what a page is called after several.

A merge holds for what is written later, too: a day that is rolled up again must not bring the old page back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from pipelog.counting.rules import OTHER
from pipelog.model import DailyCount


class Merge(NamedTuple):
    """All that `old` has on `site` from day `since` to day `until`, both included, belongs to `new`."""

    site: str
    old: str
    new: str
    since: date = date.min
    until: date = date.max

    def check(self) -> None:
        """Raise ValueError for a merge that would mean nothing."""
        if self.old == self.new:
            raise ValueError(f"{self.old!r} is the same page; name two")
        for page in (self.old, self.new):
            if page in ("", OTHER):
                raise ValueError(f"{page!r} is no page: {'it is many' if page else 'it is the whole site'}; name one")
        if self.since > self.until:
            raise ValueError(f"{self.since} is after {self.until}; give the first day first")


#: (site, page as it was counted) -> page
Names = dict[tuple[str, str], str]


def names_on(day: date, merges: Iterable[Merge]) -> Names:
    """What pages are called on a day after some merges, one after the other.

    In the order in which they were made: after A into B and B into C, A is C; after B into C and A into B, A is B.
    """
    names: Names = {}
    for merge in merges:
        if merge.since <= day <= merge.until:
            for (site, page), name in names.items():
                if site == merge.site and name == merge.old:
                    names[site, page] = merge.new
            names.setdefault((merge.site, merge.old), merge.new)
    return names


def called(site: str, page: str, names: Names) -> Iterator[str]:
    """What a page may have been counted as: its own name, unless it was given up, and those of pages merged into it."""
    if names.get((site, page), page) == page:
        yield page
    for (of, counted), name in names.items():
        if of == site and name == page and counted != page:
            yield counted


def renamed(rows: Iterable[DailyCount], names: Names) -> Iterator[DailyCount]:
    """The rows with their pages as `names` has them; a coordinate may then come twice."""
    if not names:
        yield from rows
        return
    for row in rows:
        name = names.get((row.site, row.page))
        yield row if name is None else row._replace(page=name)
