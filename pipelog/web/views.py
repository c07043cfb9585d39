"""What each address shows, as data: read through `Fresh`, the same for HTML and JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pipelog.errors import BackendUnavailable, PipelogError, StoreError
from pipelog.overview import TABLES, Now, Overview, PageRow, PageView, SiteRow, going, halves, plain
from pipelog.periods import Period
from pipelog.printable import printable
from pipelog.web.asked import Asked, Refused
from pipelog.web.fresh import AGE, Fresh

SHOWN = {
    "pages": 20,
    "sources": 40,
    "bots": 60,
    "keywords": 12,
    "campaigns": 8,
    "missing": 12,
    "statuses": 20,
    "sites": 12,
}
"""Rows of each table on the first page."""
VALUES = {"source": "referrer", "bot": "bot", "keyword": "keyword", "campaign": "campaign"}
"""Address of a value's own view -> the dimension it is of."""
_LONG = 60.0  # seconds for which past days are remembered
_ALL = 200


@dataclass
class First:
    """The first page: a day or several at a glance."""

    asked: Asked
    site: str
    sites: list[SiteRow]
    now: Now | None = None  #: only of today
    curves: list[list[int]] = field(
        default_factory=list
    )  #: views in each half hour: the day, the one before, a week ago
    days: list[Any] = field(default_factory=list)
    tables: dict[str, list[Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.now is not None

    def json(self) -> dict[str, Any]:
        return {
            **_head(self.asked, self.site),
            "problems": self.problems,
            "now": plain(self.now),
            "tables": {name: plain(rows) for name, rows in {**self.tables, "days": self.days}.items()},
        }


class Views:
    """Answers for addresses. `home`: the site that is shown where none is named. `now`: the site's clock."""

    def __init__(self, fresh: Fresh[Overview], home: str, now: Callable[[], datetime]) -> None:
        self._fresh = fresh
        self._home = home
        self._now = now

    def is_empty(self) -> bool:
        """Whether nothing has been counted yet."""
        return self._fresh.get("empty", Overview.is_empty)

    def first(self, asked: Asked) -> First:
        """The first page. Where today's counters do not answer: the last days of history, and a word about it."""
        try:
            return self._first(asked)
        except (BackendUnavailable, StoreError) as error:
            problem = said(error)
            finished = self._fresh.get("finished", Overview.finished)
            if not finished:
                raise
            last = max(finished)
            found = self._first(asked.of(Period(max(min(finished), last - timedelta(days=6)), last)))
            found.problems.append(problem)
            return found

    def _first(self, asked: Asked) -> First:
        sites = self._sites(asked)
        found = First(asked, self.site(asked, sites), sites)
        period, site = asked.period, found.site
        moment = self._now()
        if period.days == 1:
            seen = [self._minutes(period.since - timedelta(days=ago), site) for ago in (0, 1, 7)]
            found.curves = [halves(minutes or {}) for minutes in seen]
            if period.since == moment.date():
                found.now = going(moment, seen[0] or {}, seen[1], seen[2])
        for name, n in SHOWN.items():
            found.tables[name] = sites[:n] if name == "sites" else self.table(name, period, site, n)
        found.days = self.table("days", period, site, period.days)
        return found

    def _sites(self, asked: Asked) -> list[SiteRow]:
        return self.table("sites", asked.period, "", _ALL)

    def site(self, asked: Asked, sites: list[SiteRow] | None = None) -> str:
        """The site that is meant: the one named, the configured one, or the one with the most requests."""
        if asked.site is not None:
            return asked.site
        names = [row.site for row in (self._sites(asked) if sites is None else sites)]
        return self._home if self._home in names or not names else names[0]

    def _minutes(self, day: date, site: str) -> dict[str, int] | None:
        """The views in each minute of a day; those of today are never old ones."""
        is_today = day == self._now().date()
        return self._fresh.get(
            ("minutes of", day, site),
            lambda overview: overview.minutes_of(day, site),
            age=AGE if is_today else _LONG,
            wait=is_today,
        )

    def table(self, name: str, period: Period, site: str, n: int) -> list[Any]:
        """The rows of a table."""
        return self._fresh.get(
            (name, period, site, n), lambda overview: TABLES[name](overview, period, site, n), age=self._age(period)
        )

    def search(self, text: str, period: Period, site: str, n: int) -> list[PageRow]:
        """The pages with `text` in their names."""
        return self._fresh.get(
            ("search", text, period, site, n),
            lambda overview: overview.pages(period, site, n, containing=text),
            age=self._age(period),
        )

    def page(self, asked: Asked, site: str) -> PageView:
        """A page's own view."""
        period, n, name = asked.period, asked.n or _ALL, asked.name
        found = self._fresh.get(
            ("page", name, period, site, n), lambda overview: overview.page(name, period, site, n), age=AGE
        )
        if found is None:
            raise Refused(404, f"{printable(name[:300])} has never been read, or is no page.")
        return found

    def pages_with(self, asked: Asked, site: str) -> list[tuple[str, int]]:
        """The pages that have a value: what a bot read, where a source's readers landed."""
        dimension, value, period, n = VALUES[asked.path], asked.name, asked.period, asked.n or _ALL
        return self._fresh.get(
            (dimension, value, period, site, n),
            lambda overview: overview.with_value(dimension, value, period, site, n),
            age=self._age(period),
        )

    def _age(self, period: Period) -> float:
        """Past days change only by a rollup."""
        return _LONG if (self._now().date() - period.until).days > 1 else AGE


def _head(asked: Asked, site: str) -> dict[str, Any]:
    return {"site": site, "since": f"{asked.period.since}", "until": f"{asked.period.until}"}


def document(asked: Asked, site: str, name: str, content: Any) -> dict[str, Any]:
    """JSON of one table or view."""
    return {**_head(asked, site), name: plain(content)}


def said(error: PipelogError) -> str:
    """An error in one harmless line."""
    return printable(" ".join(str(error).split()))[:500]
