"""What one log line counts for: the definition of a view, written to be read.

`Judge` answers for each part of a line on its own (request, agent, referrer), so that the answers can be remembered;
`coordinates` puts them together for a whole record. `tally` does the same for columns, and must agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple

from pipelog.counting import bots, crawlers, keywords, referrers
from pipelog.counting.pages import PageNamer, folded, path_of
from pipelog.counting.rules import Rules
from pipelog.model import Coordinate, Record
from pipelog.parsing.roles import PURPOSE_HEADERS

MISSING = 404
MAX_SIZE = 10**15
"""Bytes; what a damaged line gives beyond a petabyte is no answer's size, and would burst a store's 64 bits."""

_BLANK = re.compile(r"[\x00-\x20\x7f]")
_PURPOSE = re.compile(rf"%.*\{{(?:{'|'.join(PURPOSE_HEADERS)})\}}i", re.I)


class Request(NamedTuple):
    """What a request line means for counting."""

    page: str | None  #: of a request that may be a view; None where it can be none
    missing: str | None  #: the page that was missed, should the status say so
    campaign: str = ""  #: "source/medium/campaign", or ""
    keyword: str = ""  #: search words in the request itself, or ""
    search: bool = False  #: whether the path is that of the site's own search


NOTHING = Request(None, None)


class Judge:
    """Applies `Rules` to the parts of a line. `SettingsError` for what cannot be loaded: a zone, a resolver, a list."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.page = PageNamer(rules)
        self._sites = {site: Judge(replace(own, sites={})) for site, own in rules.sites.items()}
        self._zone = rules.zone()
        self._crawlers = crawlers.chosen(rules.bots)
        self._methods = frozenset(rules.methods)
        self.statuses = frozenset(rules.statuses)
        endings = "|".join(map(re.escape, rules.assets)) or r"(?!)"
        self._asset = re.compile(rf"\.(?:{endings})", re.I)
        self._asset_paths = frozenset(folded(path) if rules.fold_case else path for path in rules.asset_paths)
        self._own = referrers.hosts((rules.site, *rules.own_sites))
        self._spam = referrers.hosts(rules.referrer_spam)
        if rules.referrer_spam_file:
            self._spam |= referrers.hosts_of_file(rules.referrer_spam_file)
        search = rules.site_search_path
        self._search_path = path_of("/" + search, fold_case=rules.fold_case) if search else None
        self._prefetch = tuple(word.lower() for word in rules.prefetch if word)

    def stamp(self, time: datetime) -> tuple[date, str]:
        """Day and minute ("HH:MM") of a line, in its own offset or the configured zone."""
        if self._zone and time.tzinfo:
            try:
                time = time.astimezone(self._zone)
            except OverflowError:  # in the first and last hours of the calendar
                pass
        return time.date(), f"{time.hour:02}:{time.minute:02}"

    def site(self, site: str | None) -> str:
        """The site of a line: lower-case, without port; the configured one where the line does not tell."""
        return referrers.hostname(site or "")[:253] or self.rules.site

    def of(self, site: str) -> Judge:
        """The judge of a site's requests and referrers: another one where the site has rules of its own."""
        return self._sites.get(site, self)

    def request(self, method: str | None, target: str | None) -> Request:
        """What method and target may count for. A target with a blank is no view: no browser sends one."""
        if target is None or method is None:
            return NOTHING
        viewed = method in self._methods
        missed = viewed or method == "HEAD"
        path = path_of(target, fold_case=self.rules.fold_case) if missed and not _BLANK.search(target) else None
        page = None if path is None else self.page.of(path, target)
        if path is None or page is None:
            return NOTHING
        tail = path.rpartition("/")[2]
        dot = tail.rfind(".")
        if not viewed or (dot >= 0 and self._asset.fullmatch(tail, dot)) or path in self._asset_paths:
            return Request(None, page)
        search = path == self._search_path
        query = target.partition("#")[0].partition("?")[2]
        return Request(page, page, *self.in_query(query, search), search)

    def in_query(self, query: str, search: bool) -> tuple[str, str]:
        """Campaign and search words of a query. `search`: whether it was put to the site's own search."""
        if not search and "utm_" not in query:
            return "", ""
        campaign = ""
        given = keywords.parameters(query)
        parts = [keywords.tidy(given.get("utm_" + name, "")) for name in ("source", "medium", "campaign")]
        if any(parts):
            campaign = "/".join(part.replace("/", "%2F") or "-" for part in parts)
        keyword = keywords.tidy(given.get("utm_term", ""))
        if not keyword and search:
            keyword = keywords.tidy(given.get(self.rules.site_search_parameter, ""))
        return campaign, keyword

    def bot(self, agent: str | None) -> str | None:
        """The bot behind an agent, or None; see `bots.bot`."""
        return bots.bot(agent, self._crawlers)

    def fetched_ahead(self, purposes: str | None) -> bool:
        """Whether the values of a request's purpose headers tell that the browser fetched a page nobody looks at yet.

        Sec-Purpose: "prefetch;prerender" (Fetch Standard), Purpose and X-Purpose of older browsers, X-Moz of Firefox.
        """
        if not purposes:
            return False
        lower = purposes.lower()
        return any(word in lower for word in self._prefetch)

    def referrer(self, referrer: str | None, site: str) -> tuple[str, str]:
        """Source ("medium/name") and search words of a referrer, "" where there are none.

        The site itself and its other names are no source, with "www." or without; neither is referrer spam.
        """
        found = referrers.source(referrer)
        if not found:
            return "", ""
        host = referrers.bare(found.host)
        if host in self._own or (site and host == referrers.bare(site)) or referrers.is_below(host, self._spam):
            return "", ""
        return found.value, keywords.searched(found) or ""

    def coordinates(self, record: Record, *, has_agent: bool = True) -> Iterator[tuple[Coordinate, int]]:
        """All that one record counts for. `has_agent`: whether the log's format holds the user agent."""
        if record.time is None:
            return
        day, minute = self.stamp(record.time)
        site = self.site(record.site)
        yield Coordinate(day, site, "", "requests", ""), 1
        if record.size and record.size < MAX_SIZE:
            yield Coordinate(day, site, "", "bytes", ""), record.size
        if record.status is not None:
            yield Coordinate(day, site, "", "status", str(record.status)), 1
        judge = self.of(site)
        request = judge.request(record.method, record.target)
        if record.status == MISSING and request.missing is not None:
            yield Coordinate(day, site, request.missing, "missing", ""), 1
        page = request.page
        if page is None or record.status not in self.statuses or self.fetched_ahead(purposes(record.fields)):
            return
        bot = self.bot(record.agent) if has_agent else None
        if bot:
            yield Coordinate(day, site, page, "bot", bot), 1
            return
        yield Coordinate(day, site, page, "views", ""), 1
        yield Coordinate(day, site, "", "minute", minute), 1
        if request.campaign:
            yield Coordinate(day, site, page, "campaign", request.campaign), 1
        source, words = judge.referrer(record.referrer, site)
        if source:
            yield Coordinate(day, site, page, "referrer", source), 1
        words = request.keyword or words
        if words:
            yield Coordinate(day, site, page, "keyword", words), 1


def purposes(fields: Mapping[str, Any]) -> str | None:
    """The values of the purpose headers that a record's format holds, None where it has none."""
    found = [value for directive, value in fields.items() if value and _PURPOSE.fullmatch(directive)]
    return " ".join(found) or None
