"""The contract of a sink."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from types import TracebackType
from typing import Literal, Self, TypeVar

from pipelog.errors import PartialDayError
from pipelog.model import DailyCount, DailySketch, DayInfo
from pipelog.sinks.merges import Merge


class Sink(ABC):
    """Where finished days are kept, by day and source. Numbers of several sources add up.

    An implementation is made from a URL by its class method `from_location(location)`; making one must not open or
    create anything. One that cannot be used as it is (no database, wrong version, not writable) raises
    `StoreError` with the name of the file. Reading from one that does not exist yet finds nothing and creates
    nothing.
    """

    @abstractmethod
    def replace_day(
        self, day: date, source: str, rows: Iterable[DailyCount], *, lines: int, force: bool = False
    ) -> None:
        """Make `rows` the whole of what `source` has for `day`; `lines` is how many log lines they come from.

        Atomic (all or nothing, also under kill -9) and idempotent. Refuses with `PartialDayError`, nothing
        changed, to replace a day by one made from fewer lines, unless forced. ValueError when a row is of
        another day.
        """

    @abstractmethod
    def rows(
        self,
        since: date,
        until: date,
        *,
        site: str | None = None,
        page: str | None = None,
        dimension: str | None = None,
    ) -> Iterator[DailyCount]:
        """Counts from `since` to `until`, both included, sources added up, each coordinate once, days in order.

        None means any; "" is the empty name (a site's own numbers have page "").
        """

    @abstractmethod
    def days(self) -> list[DayInfo]:
        """What there is, ordered by day and source."""

    def totals(self, since: date, until: date, *, site: str, pages: Collection[str], dimension: str) -> dict[str, int]:
        """The sum over the days `since` to `until` for each of `pages`; one without any count is absent.

        Made from `rows` in one pass here; a store that can add up by itself does it better.
        """
        wanted = frozenset(pages)
        page = next(iter(wanted)) if len(wanted) == 1 else None
        sums: dict[str, int] = {}
        if wanted:
            for row in self.rows(since, until, site=site, page=page, dimension=dimension):
                if row.page in wanted:
                    sums[row.page] = sums.get(row.page, 0) + row.count
        return sums

    def daily(
        self, since: date, until: date, *, site: str, pages: Collection[str], dimension: str
    ) -> dict[str, dict[date, int]]:
        """The sum over the values of a dimension on each day for each of `pages`; what has no count is absent."""
        wanted = frozenset(pages)
        page = next(iter(wanted)) if len(wanted) == 1 else None
        found: dict[str, dict[date, int]] = {}
        if wanted:
            for row in self.rows(since, until, site=site, page=page, dimension=dimension):
                if row.page in wanted:
                    days = found.setdefault(row.page, {})
                    days[row.day] = days.get(row.day, 0) + row.count
        return found

    def top(
        self,
        n: int,
        since: date,
        until: date,
        *,
        site: str,
        dimension: str,
        by: Literal["page", "value"],
        value: str | None = None,
        containing: str = "",
    ) -> list[tuple[str, int]]:
        """The `n` pages or values (`by`) of a dimension with the highest sums over days, highest first, ties by name.

        `value`: only its counts. `containing`: only pages whose name does, whatever the case of A to Z.
        """
        sums: dict[str, int] = {}
        for row in self.rows(since, until, site=site, dimension=dimension):
            if value in (None, row.value) and containing.lower() in row.page.lower():
                name = row.page if by == "page" else row.value
                sums[name] = sums.get(name, 0) + row.count
        return heapq.nsmallest(n, sums.items(), key=lambda item: (-item[1], item[0]))

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and files. May be called twice; the sink may be used again afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Merging(ABC):
    """What a sink has besides `Sink` if two pages of its history can be made one."""

    @abstractmethod
    def merge(self, merge: Merge) -> None:
        """Add every count of the old page to the new one, in every dimension and source; the old one is then gone.

        Atomic (all or nothing, also under kill -9) and idempotent. It is remembered: `replace_day` and whoever reads
        apply it to days that are written later, so that a rollup does not bring the old page back. ValueError for a
        merge that means nothing (see `Merge.check`).
        """

    @abstractmethod
    def merges(self) -> list[Merge]:
        """What is remembered, in the order in which it was done."""


class Sketching(ABC):
    """What a sink has besides `Sink` if it can keep who viewed a page, as sketches."""

    @abstractmethod
    def replace_sketches(self, day: date, source: str, sketches: Iterable[DailySketch]) -> None:
        """Make these the whole of what `source` has for `day`, none included; called after `replace_day`. Atomic and
        idempotent."""

    @abstractmethod
    def sketches(self, day: date, *, site: str, page: str | None = None) -> Iterator[DailySketch]:
        """The sketches of a day and site, of one page ("" is the whole site) or of all; those of several sources, and
        of pages that were merged, one by one: who reads unites them."""


def refuse_partial(day: date, source: str, *, lines: int, stored: int) -> None:
    """For implementations: raise `PartialDayError` if a day made from `stored` lines would shrink to `lines`."""
    if lines < stored:
        raise PartialDayError(
            f"{day} of {source!r} was made from {stored:,} lines and would now be made from {lines:,}:"
            " nothing was changed; if it really has so few, say --force"
        )


Row = TypeVar("Row", DailyCount, DailySketch)


def only_of(day: date, rows: Iterable[Row]) -> Iterator[Row]:
    """For implementations: `rows` as they come; ValueError at the first that is of another day."""
    for row in rows:
        if row.day != day:
            raise ValueError(f"a row of {row.day} among those of {day}: {row!r:.200}")
        yield row
