"""Numbers of objects."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from pipelog.contrib.django import numbers
from pipelog.queries import Hits, PageHits
from pipelog.shortcuts import process

FRESH = 5.0
"""Seconds for which numbers that were fetched ahead are shown: as long as it takes to make a page."""
DAYS = 30
_ATTRIBUTE = "_pipelog_hits"


class HitsMixin:
    """Gives a model with `get_absolute_url` its numbers. None where a store is down, which is logged."""

    @property
    def hits_today(self) -> int | None:
        """Views today."""
        found = hits_of(self)
        return found and found.today

    @property
    def hits(self) -> int | None:
        """Views ever, today's included."""
        found = hits_of(self)
        return found and found.total

    def hits_daily(self, since: date | None = None, until: date | None = None) -> dict[date, int]:
        """Views on each day, of the last 30 by default; empty where a store is down."""

        def daily(hits: Hits) -> dict[date, int]:
            last = until or process.today()
            return hits.daily(numbers.page_of(self), since or last - timedelta(days=DAYS - 1), last)

        return numbers.ask(daily) or {}


def prefetch_hits(things: Iterable[Any], site: str | None = None) -> dict[str, PageHits]:
    """Fetch the numbers of many objects or paths in one round trip, so that asking for each takes none.

    They are kept with the objects, for five seconds; those of paths are given back. Give a list or a QuerySet, whose
    objects are then those that the page loops over.
    """
    wanted = [thing for thing in things if thing]
    found = numbers.many(wanted, site) or []
    end = time.time() + FRESH
    paths = {}
    for thing, number in zip(wanted, found, strict=False):
        if isinstance(thing, str):
            paths[thing] = number
        else:
            setattr(thing, _ATTRIBUTE, (site, end, number))
    return paths


def hits_of(thing: Any, site: str | None = None) -> PageHits | None:
    """The numbers of an object or a path, fetched ahead or now; None where a store is down."""
    ahead: tuple[str | None, float, PageHits] | None = getattr(thing, _ATTRIBUTE, None)
    if ahead and ahead[0] == site and time.time() < ahead[1]:
        return ahead[2]
    found = numbers.many([thing], site)
    return found[0] if found else None
