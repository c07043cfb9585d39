"""Between Django and `Hits`: the page that an object or a path is, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from pipelog.contrib.application import Asker, Live, load
from pipelog.contrib.django import objects
from pipelog.contrib.django.setting import given
from pipelog.contrib.machine import today
from pipelog.counting.pages import PageNamer
from pipelog.counting.rules import Rules
from pipelog.queries import Hits, PageHits
from pipelog.shortcuts import process

RESOLVER = "pipelog.contrib.django.resolver:resolve"

T = TypeVar("T")
asker = Asker(process.hits)
live = Live(process)


def configure() -> None:
    """Have this process ask where `PIPELOG` says; it is read at the first question."""
    global asker, live
    process.configure(lambda: load(given()), today)
    asker, live = Asker(process.hits), Live(process)


def page_of(thing: Any, site: str | None = None) -> str:
    """The page of an object or a path, as the logger names it: that of an object's address.

    Asks no database for an object that the URLconf maps to its model. TypeError for what has no address.
    """
    if isinstance(thing, str):
        return thing
    if not hasattr(thing, "get_absolute_url"):
        raise TypeError(f"{thing!r:.80} is no path and has no get_absolute_url")
    address = str(thing.get_absolute_url())
    rules = rules_of(site)
    if rules.resolver != RESOLVER:
        return address
    path = _canonical(rules)(address)
    return (objects.name(path, thing) if path else None) or address


def rules_of(site: str | None) -> Rules:
    """The counting rules of a site (None: of the one that is asked about)."""
    rules = process.settings().counting
    return rules.sites.get(rules.site if site is None else site, rules)


@lru_cache(maxsize=100)
def _canonical(rules: Rules) -> Callable[[str], str | None]:
    return PageNamer(replace(rules, resolver=""))


def ask(question: Callable[[Hits], T]) -> T | None:
    """The answer of this thread's `Hits` to any question, None where a store is down, which is logged.

    `ask(lambda hits: hits.top(10, by="keyword"))`
    """
    return asker.ask(question)


def many(things: Iterable[Any], site: str | None = None) -> list[PageHits] | None:
    """The numbers of objects or paths, in their order, in one round trip; None where a store is down."""
    wanted = list(things)

    def numbers(hits: Hits) -> list[PageHits]:
        pages = [page_of(thing, site) for thing in wanted]
        found = hits.many(pages, site=site)
        return [found[page] for page in pages]

    return ask(numbers)
