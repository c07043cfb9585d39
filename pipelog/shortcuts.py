"""The two calls of an application: one `Hits` for the process, made from the settings at the first call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelog import config, plugins
from pipelog.config import Settings
from pipelog.counting.pages import PageNamer
from pipelog.counting.rules import Rules
from pipelog.queries import Hits


def hits_of(settings: Settings, *, today: Callable[[], date] | None = None) -> Hits:
    """A `Hits` over the backend and the sink of some settings. `today`: the clock of days (None: that of the rules)."""
    rules = settings.counting
    return Hits(
        counters=plugins.backend(settings.backend),
        history=plugins.sink(settings.sink),
        prefix=settings.prefix,
        site=rules.site,
        page=_pages(rules),
        site_pages={site: _pages(own) for site, own in rules.sites.items()},
        today=today or rules.today,
    )


def _pages(rules: Rules) -> Callable[[str], str | None]:
    page: Callable[[str], str | None] = application_page(PageNamer(rules))
    # Applications ask for the same pages over and over. A resolver's answers are remembered elsewhere, for a while.
    return page if rules.resolver else lru_cache(maxsize=16_384)(page)


def application_page(namer: Any) -> Any:
    """What an application passes -> page: paths and URLs get their canonical form, anything else is an object's id."""

    def page(given: str) -> str | None:
        if given.startswith("/") or "://" in given:
            named: str | None = namer(given)
            return named
        return given

    return page


class Process:
    """The `Hits` of this process, one a thread: stores are not for several at once.

    `load` gives the settings when they are first needed, and again after `configure`; `today` the day by their rules.
    """

    def __init__(self, load: Callable[[], Settings], today: Callable[[Rules], date] = Rules.today) -> None:
        self._load = load
        self._today = today
        self._lock = threading.Lock()
        self._settings: Settings | None = None
        self._thread = threading.local()

    def configure(self, load: Callable[[], Settings], today: Callable[[Rules], date] = Rules.today) -> None:
        """Settle who gives the settings and the day from now on."""
        with self._lock:
            self._load, self._today, self._settings = load, today, None

    def settings(self) -> Settings:
        """The settings in force. Raises `SettingsError`."""
        with self._lock:
            if self._settings is None:
                self._settings = self._load()
            return self._settings

    def today(self) -> date:
        """The day that it is."""
        return self._today(self.settings().counting)

    def hits(self) -> Hits:
        """The `Hits` of this thread. Raises `SettingsError`, `LocationError` or `PluginError`."""
        settings = self._settings or self.settings()
        if getattr(self._thread, "settings", None) is not settings:
            self._thread.hits = hits_of(settings, today=self.today)
            self._thread.settings = settings
        made: Hits = self._thread.hits
        return made


process = Process(config.load)
"""What `hits_today` and `hits` ask."""


def configure(config_file: str | Path | None = None, **settings: str) -> None:
    """Settle where this process asks: a configuration file, and settings by name, as in `pipelog.toml`.

    Without it the first call of `hits_today` or `hits` uses the environment and /etc/pipelog.toml. May be called
    again. Raises `SettingsError`.
    """
    loaded = config.load(settings, config=config_file)
    process.configure(lambda: loaded)


def hits_today(page: str, *, site: str | None = None) -> int:
    """Views of a page today; 0 for one never seen. `page` is a path or URL, or what the resolver makes of one.

    Raises `BackendUnavailable` when the store does not answer.
    """
    return process.hits().today(page, site=site)


def hits(page: str, *, site: str | None = None) -> int:
    """Views of a page ever, today's included; 0 for one never seen. Raises as `hits_today`."""
    return process.hits().total(page, site=site)
