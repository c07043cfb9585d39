"""What a request asks for: address, period, site, rows. Bad input is a `Refused` with words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from pipelog.errors import SettingsError
from pipelog.periods import Period, dates

ROWS = 1_000
"""Most rows of a table in one answer."""
LONGEST = 400
"""Days of a period at most; a longer one would keep the store busy for everybody else."""
_QUERY = 16_384  # bytes


class Refused(Exception):
    """A request that gets no answer: HTTP status and a sentence that says why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


@dataclass(frozen=True)
class Asked:
    """A request. Names are text as the stores have it: undecodable bytes by surrogateescape."""

    root: str  #: where the application is mounted, without a slash at its end
    path: str  #: "" for the first page, else such as "pages"
    json: bool
    period: Period
    days: str = ""  #: the period as it was asked for; "" is today
    site: str | None = None
    name: str = ""
    text: str = ""
    n: int | None = None
    part: bool = False  #: only what is drawn anew

    def link(self, path: str = "", **changes: str | None) -> str:
        """The address of another view of the same days and site, or of those in `changes`."""
        given = {"days": self.days or None, "site": self.site} | changes
        query = urlencode(
            {k: v for k, v in given.items() if v is not None and (v or k != "days")},
            safe="/",
            encoding="utf-8",
            errors="surrogateescape",
            quote_via=quote,
        )
        return f"{self.root}/{path}" + ("?" + query if query else "")

    def again(self, path: str | None = None, **changes: str | None) -> str:
        """The address of the same view, but for `changes`."""
        own = {"name": self.name or None, "q": self.text or None, "n": str(self.n) if self.n else None}
        return self.link(self.path if path is None else path, **own | changes)

    def as_json(self) -> str:
        """The address of the same as JSON."""
        return self.again(f"{self.path or 'index'}.json")

    def of(self, period: Period) -> Asked:
        """The same for other days."""
        return replace(self, period=period, days=str(period))


def asked(environ: Mapping[str, Any], today: date) -> Asked:
    """What a WSGI environment asks for. Raises `Refused`."""
    path = _text(environ.get("PATH_INFO", "")).removeprefix("/")
    json = path.endswith(".json")
    path = path.removesuffix(".json")
    raw = environ.get("QUERY_STRING", "")
    if len(raw) > _QUERY:
        raise Refused(400, "The address is too long.")
    try:
        given = dict(parse_qsl(raw, encoding="utf-8", errors="surrogateescape", max_num_fields=20))
    except ValueError as error:
        raise Refused(400, "The address has too many parameters.") from error
    words = given.get("days", "").strip()
    if given.get("since") or given.get("until"):
        words = f"{given.get('since') or given['until']}..{given.get('until') or given['since']}"
    return Asked(
        root=quote(environ.get("SCRIPT_NAME", "").encode("latin-1", "replace")).rstrip("/"),
        path="" if path == "index" else path,
        json=json,
        period=period_of(words, today),
        days=words,
        site=given.get("site"),
        name=given.get("name", ""),
        text=given.get("q", "").strip()[:200],
        n=_number(given.get("n", "")),
        part="part" in given,
    )


def period_of(words: str, today: date) -> Period:
    """The days that words mean, "" for today; none in the future. Raises `Refused`."""
    try:
        found = dates(words or "today", today)
    except SettingsError as error:
        raise Refused(400, f"{str(error)[:300]}.") from error
    found = Period(found.since, min(found.until, today))
    if found.days < 1:
        raise Refused(400, f"{words!r} is yet to come.")
    if found.days > LONGEST:
        raise Refused(400, f"{words!r} is more than {LONGEST} days; ask for fewer, or see `pipelog export`.")
    return found


def _text(path: str) -> str:
    """WSGI hands bytes over as Latin-1 (PEP 3333, "Unicode Issues")."""
    return path.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= ROWS and len(text) < 9):
        raise Refused(400, f"n is a whole number from 1 to {ROWS:,}.")
    return int(text)
