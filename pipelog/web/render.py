"""Views as HTML: Jinja2 with autoescape on. A stranger's words are made printable before they are escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelog.counting.bot_names import CLASSES
from pipelog.overview import READERS, DayRow, PageRow, PageView, by_medium
from pipelog.periods import Period
from pipelog.printable import printable
from pipelog.web import charts
from pipelog.web.asked import Asked
from pipelog.web.views import VALUES, First

TITLES = {
    "pages": "Pages",
    "sources": "Where readers come from",
    "keywords": "Searched for",
    "campaigns": "Campaigns",
    "bots": "Programs",
    "missing": "Missing pages",
    "statuses": "Statuses",
    "sites": "Sites",
    "days": "Days",
    "minutes": "Minutes",
}
MEDIA = {
    "search": "Search engines",
    "ai": "AI assistants",
    "social": "Social networks",
    "mail": "Mail",
    "site": "Other sites",
}
KINDS = {
    "ai-training": "AI crawlers",
    "ai-assistant": "AI assistants",
    "search": "Search engines",
    "seo": "Marketing",
    "social": "Link previews",
    "feed": "Feed readers",
    "monitor": "Monitors",
    "tool": "Tools",
    "other": "Others",
}
_LETTERS = re.compile(r"(?:%[89A-F][0-9A-F])+")
_HALVES = [f"{half // 2:02}:{half % 2 * 30:02}" for half in range(48)]
_SHARES = 100


def page(asked: Asked, site: str, found: PageView) -> bytes:
    """A page's own view."""
    chart = days_chart(found.days, f"Views of this page on each day of {spoken(asked.period)}")
    return _html("page.html", asked, site=site, view=found, chart=chart)


def first(found: First) -> bytes:
    """The first page, or what of it is drawn anew."""
    return _html("part.html" if found.asked.part else "first.html", found.asked, **first_context(found))


def first_context(found: First) -> dict[str, Any]:
    """What the templates of a day or several want to know."""
    return {"site": found.site, "sites": found.sites, "view": found, "live": found.live, **_charts(found)}


def table(asked: Asked, site: str, rows: Sequence[Any]) -> bytes:
    """One table in full."""
    return _html("table.html", asked, site=site, name=asked.path, rows=rows)


def search(asked: Asked, site: str, rows: Sequence[PageRow]) -> bytes:
    """Pages by a part of their name."""
    return _html("search.html", asked, site=site, rows=rows)


def value(asked: Asked, site: str, pages: Sequence[tuple[str, int]]) -> bytes:
    """The pages that have a value."""
    return _html("value.html", asked, site=site, pages=pages, dimension=VALUES[asked.path])


def empty(asked: Asked) -> bytes:
    """How to start."""
    return _html("empty.html", asked, site=asked.site or "")


def login(asked: Asked, *, wrong: bool = False) -> bytes:
    """The form for the token."""
    return _html("login.html", asked, site="", wrong=wrong)


def message(root: str, status: int, title: str, words: str) -> bytes:
    """A refusal, with a way back."""
    here = quote(root.encode("latin-1", "replace")).rstrip("/")
    text = _environment.get_template("message.html").render(root=here, status=status, title=title, words=words)
    return text.encode()


def _html(template: str, asked: Asked, **context: Any) -> bytes:
    text = _environment.get_template(template).render(asked=asked, root=asked.root, report=False, **context)
    return text.encode("utf-8", "backslashreplace")


def _charts(found: First) -> dict[str, Markup | None]:
    day, hour = None, None
    if found.curves:
        curves = found.curves
        if found.now:
            hours, minutes = found.now.minute.split(":")
            whole = int(hours) * 2 + (minutes >= "30")  # the half hour that is not over yet would look like a fall
            curves = [curves[0][: max(whole, 1)], *curves[1:]]
        known = [curve for number, curve in enumerate(curves) if number == 0 or any(curve)]
        words = f"Views in each half hour of {spoken(found.asked.period)}"
        day = charts.curves(known, _HALVES, words, step=6, width=640 if found.now else 900)
    if found.now:
        end = int(found.now.minute[:2]) * 60 + int(found.now.minute[3:])
        labels = [f"{m // 60:02}:{m % 60:02}" if m >= 0 else "" for m in range(end - 59, end + 1)]
        words = f"Views in each of the last 60 minutes: {sum(found.now.minutes):,} in all"
        hour = charts.bars(found.now.minutes, labels, words, step=15, width=320)
    days = days_chart(found.days, f"Views on each day of {spoken(found.asked.period)}") if len(found.days) > 1 else None
    return {"day_chart": day, "hour_chart": hour, "days_chart": days}


def days_chart(days: Sequence[DayRow], words: str) -> Markup:
    """A bar for each day; about six of them are named."""
    labels = [short(date.fromisoformat(row.day)) for row in days]
    return charts.bars([row.views for row in days], labels, words, step=max(1, -(-len(days) // 6)))


def short(day: date) -> str:
    """A day in little room."""
    return f"{day.day} {day:%b}"


def spoken(period: Period) -> str:
    """Days in words."""
    first = f"{period.since.day} {period.since:%B %Y}"
    return first if period.days == 1 else f"{first} to {period.until.day} {period.until:%B %Y}"


def readable(page: str) -> str:
    """A path as people read it: escapes that are letters beyond ASCII stand as those, all others as they are."""
    return printable(_LETTERS.sub(lambda found: _decoded(found[0]), page))


def _decoded(escapes: str) -> str:
    try:
        return unquote(escapes, errors="strict")
    except UnicodeDecodeError:
        return escapes


def change(now: int, then: int | None) -> str:
    """How much more or less it is than then, in per cent."""
    if not then:
        return ""
    percent = round(100 * (now - then) / then)
    return (
        "the same as"
        if percent == 0
        else f"{abs(percent):,}\N{NO-BREAK SPACE}% {'more' if percent > 0 else 'less'} than"
    )


def share(count: int, most: int) -> int:
    """The width of a bar behind a row, 0 to 100."""
    return round(_SHARES * count / most) if most > 0 else 0


def bytes_(count: int) -> str:
    """Bytes in a unit of three digits at most."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1_000 or unit == "TB":
            break
        amount /= 1_000
    return (
        f"{amount:,.0f}\N{NO-BREAK SPACE}{unit}"
        if amount >= 10 or unit == "B"
        else f"{amount:.1f}\N{NO-BREAK SPACE}{unit}"
    )


def presets(asked: Asked) -> list[tuple[str, str, bool]]:
    """Days to choose from: (words, what `days` is, whether it is chosen)."""
    found = [("Today", ""), ("Yesterday", "yesterday"), ("7 days", "-7d"), ("30 days", "-30d")]
    return [(words, days, asked.days == days or (asked.days == "today" and not days)) for words, days in found]


def grouped(rows: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """Programs by class: first those that read for others, then the rest by requests."""
    kinds: dict[str, list[Any]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    rest = sorted(kinds.keys() - set(READERS), key=lambda kind: -sum(row.requests for row in kinds[kind]))
    return [(kind, kinds[kind]) for kind in (*READERS, *rest) if kind in kinds]


def _number(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


_environment = Environment(
    loader=PackageLoader("pipelog.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.filters.update(
    number=_number,
    shown=printable,
    readable=readable,
    bytes=bytes_,
    spoken=spoken,
    spark=charts.sparkline,
    by_medium=by_medium,
    grouped=grouped,
)
_environment.globals.update(
    titles=TITLES,
    media=MEDIA,
    kinds=KINDS,
    classes=CLASSES,
    readers=READERS,
    share=share,
    change=change,
    presets=presets,
    day_before=lambda day, n=1: day - timedelta(days=n),
)
environment = _environment
