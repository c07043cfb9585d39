"""What counts, as one value: the `[counting]` table of the settings, the same for live and daily numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from pipelog.errors import SettingsError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

OTHER = "(other)"
"""Where counts go that a cap keeps from having a name of their own."""

_ASSETS = (
    "7z avi avif bmp css eot exe flac gif gz ico iso jpeg jpg js json m4a map mjs mov mp3 mp4 mpeg ogg otf png rar"
    " svg swf tar tif tiff ttf wasm wav webm webmanifest webp woff woff2 xz zip"
)


SLASHES = ("keep", "strip", "add")
OF_A_SITE = frozenset(
    (
        "assets",
        "asset_paths",
        "fold_case",
        "index_names",
        "own_sites",
        "parameters",
        "referrer_spam",
        "resolver",
        "site_search_parameter",
        "site_search_path",
        "trailing_slash",
    )
)
"""The rules that a site may have for itself: what its pages are, and where its visitors come from. What a view is, the
zone of a day and the caps hold for all sites, as a day is written and kept for all of them at once."""


@dataclass(frozen=True)
class Rules:
    """The counting rules; every default is a setting of the same name."""

    methods: tuple[str, ...] = ("GET",)
    #: 206 is part of a view that another line tells of (range requests); 304 is a view from the browser's cache.
    statuses: tuple[int, ...] = (200, 201, 202, 203, 204, 205, 304)
    #: file endings, without dot, that are no pages
    assets: tuple[str, ...] = tuple(_ASSETS.split())
    #: paths that are no pages
    asset_paths: tuple[str, ...] = ("/robots.txt", "/favicon.ico")
    #: words of a purpose header (Sec-Purpose, Purpose, X-Purpose, X-Moz), where the format shows one, of which any
    #: makes a request no view: the browser fetched the page, and nobody may ever look at it
    prefetch: tuple[str, ...] = ("prefetch", "prerender", "preview")
    #: names of the file that answers for its folder, such as index.html: "/a/index.html" is then the page "/a/"
    index_names: tuple[str, ...] = ()
    #: whether paths that differ only in the case of the letters A to Z are one page, written in lower case
    fold_case: bool = False
    #: what becomes of the slash at a path's end: one of `SLASHES`
    trailing_slash: str = "keep"
    #: query parameters that belong to the page's name
    parameters: tuple[str, ...] = ()
    #: "module:function", path -> page, object id or None: the application's last word on a page's name
    resolver: str = ""
    #: which list tells bots besides the core table: "auto" (crawler-user-agents where installed), "core", "package"
    bots: str = "auto"
    #: names of the site's own hosts, besides the one in the line; they and their "www." are no referrers
    own_sites: tuple[str, ...] = ()
    #: hosts whose referrers are left out
    referrer_spam: tuple[str, ...] = ()
    #: a file of more of them, one a line
    referrer_spam_file: str = ""
    #: path and query parameter of the site's own search; in the file the table [counting.site_search]
    site_search_path: str = ""
    site_search_parameter: str = "q"
    #: IANA zone in which a day is a day; "" = as written in the line
    timezone: str = ""
    #: the site of lines whose format does not tell
    site: str = ""
    #: whether distinct visitors are told apart, under a key of the day: of a site live, of each page in the history
    visitors: bool = False
    #: most pages a day and site (0 = no cap)
    max_pages: int = 100_000
    #: most values a page and dimension (0 = no cap)
    max_values: int = 1_000
    #: most sites a day (0 = no cap); with %V and no canonical names a site is the client's own words
    max_sites: int = 1_000
    #: most names of pages and values a day, of all sites together (0 = no cap): what a store and a worker have to hold
    max_names: int = 500_000
    #: site -> the rules of a site that has settings of its own; they may differ in `OF_A_SITE` only
    sites: Mapping[str, Rules] = field(default_factory=dict, hash=False)

    def check(self) -> None:
        """Raise `SettingsError` for a value that is none."""
        self.zone()
        for rules in (self, *self.sites.values()):
            if rules.trailing_slash not in SLASHES:
                raise SettingsError(f"trailing_slash {rules.trailing_slash!r}: give {', '.join(SLASHES)}")

    def zone(self) -> ZoneInfo | None:
        """The configured zone; SettingsError where there is no such one."""
        if not self.timezone:
            return None
        from zoneinfo import ZoneInfo  # the logger, which starts in a hurry, mostly needs none

        try:
            return ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(f"timezone {self.timezone!r} is unknown; give a name such as Europe/Berlin") from error

    def today(self, now: float | None = None) -> date:
        """The day it is, at `now` (seconds since the epoch), in the configured zone or else local time."""
        return datetime.fromtimestamp(time.time() if now is None else now, self.zone()).date()


Resolver = Callable[[str], object]
