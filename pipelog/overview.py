"""What an owner looks at, as tables: read from `Hits`, shown by the live page, the report and as JSON alike.

Each table is a method of `Overview` and stands in `TABLES`; its rows are named tuples, whose fields are the columns and
the keys in JSON. A new table is a row type, a method and an entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from pipelog.periods import Period
from pipelog.queries import Hits

TREND = 30  # days of a small chart beside a page
HOUR = 60  # minutes that views a minute are shown of
READERS = ("ai-training", "ai-assistant", "search")  # classes of bots for which is told what they read
_MOST_READERS = 12
_READ = 3
_MOST_SITES = 50
_DAY = timedelta(days=1)
_MINUTES = tuple(f"{minute // 60:02}:{minute % 60:02}" for minute in range(24 * 60))


class Now(NamedTuple):
    """How today is going. A day of which nothing is known is None."""

    minute: str  #: "HH:MM", of the site
    views: int  #: today so far
    yesterday: int | None  #: views of yesterday up to the end of the same minute
    week_ago: int | None  #: the same for this day a week ago
    minutes: list[int]  #: views in each of the last 60 minutes, of today; the present one is the last


class PageRow(NamedTuple):
    """A page, and its views on each of the 30 days that end with the last day asked for."""

    page: str
    views: int
    trend: list[int]


class SourceRow(NamedTuple):
    """Where readers came from."""

    medium: str
    source: str
    views: int


class KeywordRow(NamedTuple):
    """What was searched for."""

    keyword: str
    views: int


class CampaignRow(NamedTuple):
    """A campaign, as the links said."""

    campaign: str
    views: int


class BotRow(NamedTuple):
    """A program, and for crawlers of AI and of search engines the pages it asked for most."""

    kind: str
    bot: str
    requests: int
    reads: list[str]


class MissingRow(NamedTuple):
    """A page that is not there."""

    page: str
    requests: int


class StatusRow(NamedTuple):
    """A status of answers."""

    status: str
    requests: int


class SiteRow(NamedTuple):
    """A site of this log."""

    site: str
    views: int
    requests: int
    bytes: int


class DayRow(NamedTuple):
    """A day, oldest first."""

    day: str
    views: int


class MinuteRow(NamedTuple):
    """A minute that had views, over all the days asked for."""

    minute: str
    views: int


class PageView(NamedTuple):
    """All there is about one page."""

    page: str
    today: int
    total: int
    views: int  #: on the days asked for
    days: list[DayRow]
    sources: list[SourceRow]
    keywords: list[KeywordRow]
    campaigns: list[CampaignRow]
    bots: list[BotRow]


class Overview:
    """Tables over `Hits`. Raises what the stores raise; not for several threads at once."""

    def __init__(self, hits: Hits) -> None:
        self._hits = hits

    def finished(self) -> frozenset[date]:
        """The days that the history has."""
        return self._hits.finished()

    def is_empty(self) -> bool:
        """Whether nothing has been counted yet, on any site and day."""
        return not self.finished() and not self._hits.sites()

    def minutes_of(self, day: date, site: str) -> dict[str, int] | None:
        """The views in each minute of a day; None for a day of which nothing is known."""
        seen = self._hits.per_minute(day, site=site)
        return seen if seen or day in self.finished() else None

    def days(self, period: Period, site: str, n: int) -> list[DayRow]:
        """The views of each day, days without any included; the last `n`."""
        period = Period(max(period.since, period.until - (n - 1) * _DAY), period.until) if n else period
        counts = self._hits.each_day([""], *period, by="minute", site=site)[""]
        return [DayRow(f"{day}", counts.get(day, 0)) for day in period.dates()][-n:]

    def minutes(self, period: Period, site: str, n: int) -> list[MinuteRow]:
        """The views in each minute that had any, in order; the first `n`."""
        found = sorted(self._hits.breakdown("", "minute", *period, site=site).items())
        return [MinuteRow(*item) for item in found[:n]]

    def pages(self, period: Period, site: str, n: int, containing: str = "") -> list[PageRow]:
        """The pages with the most views; with `containing` only those with this in their name."""
        top = self._hits.top(n, period.since, until=period.until, site=site, containing=containing)
        trend = Period(period.until - (TREND - 1) * _DAY, period.until)
        counts = self._hits.each_day([page for page, _ in top], *trend, site=site)
        return [PageRow(page, views, [counts[page].get(day, 0) for day in trend.dates()]) for page, views in top]

    def sources(self, period: Period, site: str, n: int) -> list[SourceRow]:
        """Where readers came from, best first."""
        return _sources(self._top(period, site, n, "referrer"))

    def keywords(self, period: Period, site: str, n: int) -> list[KeywordRow]:
        """What was searched for, most often first."""
        return [KeywordRow(*item) for item in self._top(period, site, n, "keyword")]

    def campaigns(self, period: Period, site: str, n: int) -> list[CampaignRow]:
        """Campaigns, best first."""
        return [CampaignRow(*item) for item in self._top(period, site, n, "campaign")]

    def bots(self, period: Period, site: str, n: int) -> list[BotRow]:
        """Programs by requests."""
        rows = _bots(self._top(period, site, n, "bot"))
        readers = [f"{row.kind}/{row.bot}" for row in rows if row.kind in READERS][:_MOST_READERS]
        reads = {bot: [p for p, _ in self.with_value("bot", bot, period, site, _READ)] for bot in readers}
        return [row._replace(reads=reads.get(f"{row.kind}/{row.bot}", [])) for row in rows]

    def missing(self, period: Period, site: str, n: int) -> list[MissingRow]:
        """Pages that are not there, by requests."""
        return [MissingRow(*item) for item in self._top(period, site, n, "missing")]

    def statuses(self, period: Period, site: str, n: int) -> list[StatusRow]:
        """Statuses of answers, in order."""
        return sorted(StatusRow(*item) for item in self._top(period, site, n, "status"))

    def sites(self, period: Period, site: str, n: int) -> list[SiteRow]:
        """The sites of the log, by requests; `site` is not asked after."""
        sent = self._hits.by_site("bytes", *period)
        requests = sorted(self._hits.by_site("requests", *period).items(), key=lambda item: (-item[1], item[0]))
        rows = [SiteRow(name, 0, count, sent.get(name, 0)) for name, count in requests[: min(n, _MOST_SITES)]]
        return [row._replace(views=sum(day.views for day in self.days(period, row.site, period.days))) for row in rows]

    def with_value(self, dimension: str, value: str, period: Period, site: str, n: int) -> list[tuple[str, int]]:
        """The pages that have a value: what a bot read, where a source's readers landed."""
        return self._hits.top(n, period.since, dimension, until=period.until, site=site, value=value)

    def page(self, page: str, period: Period, site: str, n: int) -> PageView | None:
        """All there is about a page, or the one that a path or URL stands for; None for one that has no count."""
        name = self._hits.named(page, site)
        if name is None:
            return None

        def values(dimension: str) -> list[tuple[str, int]]:
            return list(self._hits.breakdown(name, dimension, *period, site=site).items())[:n]

        days = self._hits.each_day([name], *period, site=site)[name]
        own = self._hits.many([name], site=site)[name]
        bots = values("bot")
        if not own.total and not bots and not self._hits.breakdown(name, "bot", site=site):
            return None
        return PageView(
            name,
            own.today,
            own.total,
            sum(days.values()),
            [DayRow(f"{day}", days.get(day, 0)) for day in period.dates()],
            _sources(values("referrer")),
            [KeywordRow(*item) for item in values("keyword")],
            [CampaignRow(*item) for item in values("campaign")],
            _bots(bots),
        )

    def _top(self, period: Period, site: str, n: int, by: str) -> list[tuple[str, int]]:
        return self._hits.top(n, period.since, by, until=period.until, site=site)


TABLES: Mapping[str, Callable[[Overview, Period, str, int], list[Any]]] = {
    "pages": Overview.pages,
    "sources": Overview.sources,
    "keywords": Overview.keywords,
    "campaigns": Overview.campaigns,
    "bots": Overview.bots,
    "missing": Overview.missing,
    "statuses": Overview.statuses,
    "sites": Overview.sites,
    "days": Overview.days,
    "minutes": Overview.minutes,
}
"""Every table by its name: (overview, period, site, how many rows at most) -> rows."""


def going(
    moment: datetime, today: Mapping[str, int], yesterday: Mapping[str, int] | None, week_ago: Mapping[str, int] | None
) -> Now:
    """How today is going at a moment; the days are what `Overview.minutes_of` gives for them."""
    minute = moment.hour * 60 + moment.minute
    by_then, by_then_a_week_ago = (
        None if then is None else sum(count for name, count in then.items() if name <= _MINUTES[minute])
        for then in (yesterday, week_ago)
    )
    last = [today.get(_MINUTES[m], 0) if m >= 0 else 0 for m in range(minute - HOUR + 1, minute + 1)]
    return Now(_MINUTES[minute], sum(today.values()), by_then, by_then_a_week_ago, last)


def halves(minutes: Mapping[str, int]) -> list[int]:
    """The views in each half hour of a day, from those in each minute."""
    found = [0] * 48
    for minute, views in minutes.items():
        found[int(minute[:2]) * 2 + (minute[3:] >= "30")] += views
    return found


def by_medium(rows: Iterable[SourceRow]) -> list[tuple[str, list[SourceRow]]]:
    """Sources by medium, the one with the most views first."""
    found: dict[str, list[SourceRow]] = {}
    for row in rows:
        found.setdefault(row.medium, []).append(row)
    return sorted(found.items(), key=lambda item: -sum(row.views for row in item[1]))


def plain(value: Any) -> Any:
    """Rows and views as JSON has them: named tuples are objects."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def _sources(items: Iterable[tuple[str, int]]) -> list[SourceRow]:
    return [SourceRow(*_parted(value), views) for value, views in items]


def _bots(items: Iterable[tuple[str, int]]) -> list[BotRow]:
    return [BotRow(*_parted(value), requests, []) for value, requests in items]


def _parted(value: str) -> tuple[str, str]:
    """Class and name of "class/Name"; what is over a cap has none."""
    kind, slash, name = value.partition("/")
    return (kind, name) if slash else ("other", value)
