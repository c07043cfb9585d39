"""The site's pages. Only the owner's asks pipelog itself; the others leave it to their templates."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.generic import DetailView, ListView

from pipelog import Hits
from pipelog.contrib.django import ask, prefetch_hits
from press.models import Release

SOURCES = (
    ("referrer", "Where readers came from", "Links on other sites, search engines, mail."),
    ("keyword", "What they searched for", "In the search box of this site, and where an engine tells."),
    ("bot", "Programs", "Known bots read, too. They are no views."),
    ("missing", "Pages that are missing", "Asked for, and not there."),
)


class ReleaseListView(ListView):
    """All releases."""

    model = Release


class ReleaseView(DetailView):
    """A release. It says which model it shows, and so pipelog knows whose page its address is."""

    model = Release

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        prefetch_hits([self.object])
        return super().get_context_data(days=bars(self.object.hits_daily()), **kwargs)


class Bar(NamedTuple):
    """A day in the chart."""

    day: Any
    views: int
    x: int
    top: int
    height: int


def bars(daily: dict[Any, int]) -> list[Bar]:
    """Days as bars of at most 40 units, 8 apart; a day without any has a line."""
    most = max(daily.values(), default=0) or 1
    heights = [max(1, -(-40 * views // most)) for views in daily.values()]
    return [
        Bar(*item, 8 * n, 41 - height, height)
        for n, (item, height) in enumerate(zip(daily.items(), heights, strict=True))
    ]


def search(request: HttpRequest) -> HttpResponse:
    """Releases that hold the words asked for; pipelog counts the words."""
    words = request.GET.get("q", "").strip()[:100]
    found: QuerySet[Release] = Release.objects.none()
    if words:
        found = Release.objects.filter(Q(title__icontains=words) | Q(body__icontains=words))
    return render(request, "press/search.html", {"words": words, "object_list": found})


@staff_member_required
def owner(request: HttpRequest) -> HttpResponse:
    """How the releases are doing, for the press office."""

    def tables(hits: Hits) -> list[tuple[str, str, list[tuple[str, int]]]]:
        return [(title, words, hits.top(8, by=by)) for by, title, words in SOURCES]

    releases = list(Release.objects.all())
    context = {"releases": releases, "tables": ask(tables), "title": "How the releases are doing"}
    return render(request, "press/owner.html", context)
