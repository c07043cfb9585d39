"""`{% load pipelog %}`: hits of pages in templates. A store that is down is no error: tags show their `default`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.template.context import Context
from django.urls import reverse
from django.utils.formats import localize

from pipelog.contrib.django import reading
from pipelog.contrib.django.setting import own
from pipelog.queries import PageHits

register = template.Library()
_PREFETCHED = "pipelog_prefetched"
_HERE = object()
"""The page that is being made. Not None, which is a variable without an object."""


class Count(int):
    """A number that is printed as Django prints numbers (USE_THOUSAND_SEPARATOR)."""

    def __str__(self) -> str:
        return str(localize(int(self)))


@register.simple_tag(takes_context=True)
def hits_today(context: Context, page: Any = _HERE, default: Any = None, site: str | None = None) -> Any:
    """Views today of an object or a path; without one of the page that is shown."""
    found = _hits(context, page, site)
    return _default(default) if found is None else Count(found.today)


@register.simple_tag(takes_context=True)
def hits(context: Context, page: Any = _HERE, default: Any = None, site: str | None = None) -> Any:
    """Views ever of an object or a path; without one of the page that is shown."""
    found = _hits(context, page, site)
    return _default(default) if found is None else Count(found.total)


@register.simple_tag(takes_context=True)
def prefetch_hits(context: Context, pages: Iterable[Any], site: str | None = None) -> str:
    """Fetch the numbers of all objects or paths of a list in one round trip."""
    context[_PREFETCHED] = {
        **(context.get(_PREFETCHED) or {}),
        **{(site, path): found for path, found in reading.prefetch_hits(pages, site).items()},
    }
    return ""


@register.simple_tag(takes_context=True)
def hits_fragment(context: Context, page: Any = _HERE, of: str = "today") -> str:
    """The address of the fragment with a page's number, for an include by the server (SSI) or the cache (ESI)."""
    thing = _thing(context, page)
    path = thing if isinstance(thing, str) else thing.get_absolute_url()
    return reverse("pipelog:fragment") + "?" + urlencode({"page": path, "of": of})


def _thing(context: Context, page: Any) -> Any:
    if page is not _HERE:
        return page
    request = context.get("request")
    if request is None:
        raise ImproperlyConfigured("name a page, or add django.template.context_processors.request to TEMPLATES")
    return request.get_full_path()


def _hits(context: Context, page: Any, site: str | None) -> PageHits | None:
    thing = _thing(context, page)
    if thing is None or thing == "":  # nothing, or a variable that there is not
        return None
    ahead: dict[tuple[str | None, str], PageHits] = context.get(_PREFETCHED) or {}
    found = ahead.get((site, thing)) if isinstance(thing, str) else None
    return found or reading.hits_of(thing, site)


def _default(default: Any) -> Any:
    return own("default") if default is None else default
