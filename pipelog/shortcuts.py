"""The two calls of an application: one `Hits` for the process, made from the settings at the first call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelog import config, plugins
from pipelog.config import Settings
from pipelog.counting.pages import PageNamer
from pipelog.counting.rules import Rules
from pipelog.queries import Hits


def hits_of(settings: Settings) -> Hits:
    """A `Hits` over the backend and the sink of some settings."""
    rules = settings.counting
    return Hits(
        counters=plugins.backend(settings.backend),
        history=plugins.sink(settings.sink),
        prefix=settings.prefix,
        site=rules.site,
        page=_pages(rules),
        site_pages={site: _pages(own) for site, own in rules.sites.items()},
        today=rules.today,
    )


def _pages(rules: Rules) -> Callable[[str], str | None]:
    page: Callable[[str], str | None] = application_page(PageNamer(rules))
    # Applications ask for the same pages over and over. A resolver's answers are remembered elsewhere, for a while.
    return page if rules.resolver else lru_cache(maxsize=4_096)(page)


def application_page(namer: Any) -> Any:
    """What an application passes -> page: paths and URLs get their canonical form, anything else is an object's id."""

    def page(given: str) -> str | None:
        if given.startswith("/") or "://" in given:
            named: str | None = namer(given)
            return named
        return given

    return page


class _Process(threading.local):
    """Stores are not for several threads at once: each has its own."""

    made: int = -1
    hits: Hits


_lock = threading.Lock()
_settings: Settings | None = None
_generation = 0
_process = _Process()


def configure(config_file: str | Path | None = None, **settings: str) -> None:
    """Settle where this process asks: a configuration file, and settings by name, as in `pipelog.toml`.

    Without it the first call of `hits_today` or `hits` uses the environment and /etc/pipelog.toml. May be called
    again. Raises `SettingsError`.
    """
    global _settings, _generation
    loaded = config.load(settings, config=config_file)
    with _lock:
        _settings = loaded
        _generation += 1


def _hits() -> Hits:
    global _settings
    if _process.made != _generation or not hasattr(_process, "hits"):
        with _lock:
            if _settings is None:
                _settings = config.load()
            settings, generation = _settings, _generation
        _process.hits = hits_of(settings)
        _process.made = generation
    return _process.hits


def hits_today(page: str, *, site: str | None = None) -> int:
    """Views of a page today; 0 for one never seen. `page` is a path or URL, or what the resolver makes of one.

    Raises `BackendUnavailable` when the store does not answer.
    """
    return _hits().today(page, site=site)


def hits(page: str, *, site: str | None = None) -> int:
    """Views of a page ever, today's included; 0 for one never seen. Raises as `hits_today`."""
    return _hits().total(page, site=site)
