"""Two views: a page's number alone, for pages that sit in a cache, and the live page behind the staff's login."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import user_passes_test
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import NoReverseMatch, reverse
from django.utils.formats import localize
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from pipelog.contrib.application import mounted
from pipelog.contrib.django import numbers
from pipelog.contrib.django.reading import hits_of
from pipelog.contrib.django.setting import own


@require_safe
@never_cache
def fragment(request: HttpRequest) -> HttpResponse:
    """The number of `?page=PATH`, today's or with `&of=total` all, as bare text. Whoever can reach it can ask."""
    page, of = request.GET.get("page", ""), request.GET.get("of", "today")
    if not (page.startswith("/") or "://" in page) or of not in ("today", "total"):
        return HttpResponseBadRequest("Write ?page=/path/&of=today or total.\n", content_type="text/plain")
    found = hits_of(page)
    text = str(own("default")) if found is None else str(localize(getattr(found, of)))
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"X-Robots-Tag": "noindex"})


def live(request: HttpRequest, path: str = "") -> HttpResponse:
    """The live page, for staff; others are led to the login."""
    try:
        login = reverse("admin:login")
    except NoReverseMatch:
        login = str(settings.LOGIN_URL)
    return user_passes_test(_is_staff, login)(_live)(request, path)


def _is_staff(user: Any) -> bool:
    return bool(user.is_active and user.is_staff)


def _live(request: HttpRequest, path: str) -> HttpResponse:
    environ = {"wsgi.url_scheme": request.scheme, **request.META}
    status, headers, body = numbers.live.answer(mounted(environ, request.path.removesuffix(path), path))
    return HttpResponse(body, status=int(status.partition(" ")[0]), headers=dict(headers))
