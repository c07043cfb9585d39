"""The application: from a request to an answer with its headers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from pipelog import config
from pipelog.config import Settings
from pipelog.errors import PipelogError
from pipelog.overview import TABLES, Overview
from pipelog.queries import Hits
from pipelog.shortcuts import hits_of
from pipelog.web import render
from pipelog.web.asked import ROWS, Asked, Refused, asked
from pipelog.web.fresh import Fresh
from pipelog.web.guard import Guard
from pipelog.web.views import VALUES, Views, document, said

Environ = Mapping[str, Any]
Answer = tuple[int, str, bytes]  # status, content type, body

HTML = "text/html; charset=utf-8"
JSON = "application/json"
STATIC = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
# No script but ours, nothing from elsewhere, in nobody's frame; an address with a page's name goes to nobody.
HEADERS = [
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("Cache-Control", "private, no-cache"),
    ("Vary", "Cookie, Authorization"),
]
_REASONS = {
    200: "OK",
    303: "See Other",
    304: "Not Modified",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class LivePage:
    """The WSGI application. `hits`: makes the numbers for one thread. `now`: the site's clock. `home`: the site shown
    where none is named. `hosts`, `token`: see `Guard`."""

    def __init__(
        self,
        hits: Callable[[], Hits],
        *,
        now: Callable[[], datetime] = datetime.now,
        home: str = "",
        hosts: str = "",
        token: str = "",
    ) -> None:
        thread = threading.local()

        def overview() -> Overview:
            if not hasattr(thread, "overview"):
                thread.overview = Overview(hits())
            made: Overview = thread.overview
            return made

        self._now = now
        self._guard = Guard(hosts, token)
        self._views = Views(Fresh(overview), home, now)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = list(HEADERS)
        try:
            status, kind, body = self._answer(environ, headers)
        except Refused as refused:
            status, kind, body = _refusal(environ, refused.status, refused.words)
        except PipelogError as error:
            status, kind, body = _refusal(environ, 503, f"The numbers cannot be read now: {said(error)}")
        if status == 405:
            headers.append(("Allow", "GET, HEAD"))
        if status == 200:
            tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
            headers.append(("ETag", tag))
            if tag in environ.get("HTTP_IF_NONE_MATCH", ""):
                start_response("304 Not Modified", headers)
                return []
        headers += [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response(f"{status} {_REASONS[status]}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: Environ, headers: list[tuple[str, str]]) -> Answer:
        self._guard.check_host(environ)
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method == "POST" and path == "/login":
            return self._login(environ, headers)
        if method not in ("GET", "HEAD"):
            raise Refused(405, "The live page is only to be looked at: GET and HEAD.")
        name = path.removeprefix("/static/")
        if name in STATIC:
            return 200, STATIC[name], static(name)
        wanted = asked(environ, self._now().date())
        if not self._guard.admits(environ):
            if wanted.json:
                raise Refused(403, "Give the token: Authorization: Bearer TOKEN.")
            return 403, HTML, render.login(wanted)
        if not path and not environ.get("QUERY_STRING"):
            headers.append(("Location", wanted.root + "/"))  # so that relative addresses lead somewhere
            return 303, HTML, b""
        return self._show(wanted)

    def _login(self, environ: Environ, headers: list[tuple[str, str]]) -> Answer:
        wanted = asked({**environ, "QUERY_STRING": ""}, self._now().date())
        cookie = self._guard.login(environ, wanted.root)
        if cookie is None:
            return 403, HTML, render.login(wanted, wrong=True)
        headers += [("Set-Cookie", cookie), ("Location", wanted.root + "/")]
        return 303, HTML, b""

    def _show(self, wanted: Asked) -> Answer:
        views = self._views
        if wanted.path == "":
            found = views.first(wanted)
            if wanted.json:
                return _json(found.json())
            if views.is_empty():
                return 200, HTML, render.empty(wanted)
            return 200, HTML, render.first(found)
        site = views.site(wanted)
        if wanted.path in TABLES:
            rows = views.table(wanted.path, wanted.period, site, wanted.n or (ROWS if wanted.json else 200))
            if wanted.json:
                return _json(document(wanted, site, wanted.path, rows))
            return 200, HTML, render.table(wanted, site, rows)
        if wanted.path == "search":
            rows = views.search(wanted.text, wanted.period, site, wanted.n or 50) if wanted.text else []
            if wanted.json:
                return _json(document(wanted, site, "pages", rows))
            return 200, HTML, render.search(wanted, site, rows)
        if wanted.path == "page":
            page = views.page(wanted, site)
            return (
                _json(document(wanted, site, "page", page))
                if wanted.json
                else (200, HTML, render.page(wanted, site, page))
            )
        if wanted.path in VALUES:
            pages = views.pages_with(wanted, site)
            if wanted.json:
                return _json(document(wanted, site, "pages", [{"page": name, "count": count} for name, count in pages]))
            return 200, HTML, render.value(wanted, site, pages)
        raise Refused(404, "There is nothing at this address.")


def _json(content: Any, status: int = 200) -> Answer:
    return status, JSON, json.dumps(content, separators=(",", ":")).encode("ascii")


def _refusal(environ: Environ, status: int, words: str) -> Answer:
    if environ.get("PATH_INFO", "").endswith(".json"):
        return _json({"error": words}, status)
    return status, HTML, render.message(environ.get("SCRIPT_NAME", ""), status, _REASONS[status], words)


@cache
def static(name: str) -> bytes:
    """A file of ours."""
    return (files("pipelog.web") / "static" / name).read_bytes()


def make_application(
    settings: Settings | None = None,
    *,
    hits: Callable[[], Hits] | None = None,
    now: Callable[[], datetime] | None = None,
    hosts: str | None = None,
    token: str | None = None,
) -> LivePage:
    """The live page over some settings (None: those of the environment and /etc/pipelog.toml).

    `hits`: gives the thread's `Hits`, where not those of the settings. `now`: the site's clock. `hosts`: names by
    which it may be asked for, with commas; "*" where who mounts it has checked the name, and `token` "" where they
    have asked who it is. Raises `SettingsError`.
    """
    chosen = settings or config.load()
    zone = chosen.counting.zone()
    return LivePage(
        hits or (lambda: hits_of(chosen)),
        now=now or (lambda: datetime.now(zone)),
        home=chosen.counting.site,
        hosts=chosen.web_hosts if hosts is None else hosts,
        token=chosen.web_token if token is None else token,
    )


_made: LivePage | None = None
_lock = threading.Lock()


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The live page over the settings of this process, which are read at the first request."""
    global _made
    with _lock:
        _made = _made or make_application()
    return _made(environ, start_response)
