"""A page that shows its own hits: plain WSGI, no framework.

    python examples/plain_page.py 8000        # then open http://127.0.0.1:8000/releases/1/

Two calls are all there is to it; the rest is what any page does. When the store does not answer, the page is shown
without numbers: a counter must never be why a site is down.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable
from urllib.parse import quote
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import pipelog

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{page}</title>
<h1>{page}</h1>
<p class="hits">{hits}</p>
"""


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The page of whatever path is asked for."""
    # WSGI hands the path over unescaped, its bytes as Latin-1 (PEP 3333, "Unicode Issues"); in the log it is escaped.
    path = environ.get("PATH_INFO", "").encode("latin-1") or b"/"
    body = PAGE.format(page=html.escape(path.decode("utf-8", "replace")), hits=html.escape(hits_of(quote(path))))
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-cache")])
    return [body.encode()]


def hits_of(page: str) -> str:
    """The numbers of a page in words; words without numbers where the store does not answer."""
    try:
        return f"{pipelog.hits_today(page):,} views today, {pipelog.hits(page):,} in all"
    except pipelog.PipelogError:
        return "Views are not known right now."


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    with make_server("127.0.0.1", port, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/releases/1/", flush=True)
        server.serve_forever()
