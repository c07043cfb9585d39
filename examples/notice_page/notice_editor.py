"""The form for the notice: plain WSGI, for loopback only; others come through an SSH tunnel.

Who knows the token may write: it is the password that the browser asks for, with any name. A form of another site is
refused, by its origin and for want of the hidden field; another name for this machine (DNS rebinding), by the Host.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import os
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from string import Template
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from notice import MOST, Changed, Notice, change, read, readers_of, render

_TEMPLATE = Path(__file__).with_name("editor.html")
_MOST_BYTES = 64_000
_DAY = 86_400
_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self';"
     " frame-ancestors 'none'; base-uri 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
]  # fmt: skip


_PREVIEW = (
    '<body>\n<p style="padding:.5rem;text-align:center;background:#ffe08a;color:#1f2328">A preview: not shown yet.</p>'
)


class Refused(Exception):
    """A status line and a sentence."""


def token_of(folder: Path) -> str:
    """The token, made when there is none yet, in a file that only its owner reads."""
    path = folder / "token"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = path.read_text().strip()
        if len(token) < 16:
            raise ValueError(f"{path} has fewer than 16 characters; remove it, and a new one is made") from None
        return token
    with open(fd, "w") as file:
        file.write(token := secrets.token_urlsafe(18))
    return token


def editor(folder: Path, token: str) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """The WSGI application that edits a folder's notice."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        more: list[tuple[str, str]] = []
        try:
            status, body = "200 OK", _answer(environ, folder, token)
            if not body:
                status, more = "303 See Other", [("Location", "/")]
        except Refused as refused:
            status, words = refused.args
            body = f"<!doctype html><title>{status}</title><p>{html.escape(words)} <a href='/'>Back to the form</a></p>"
            if status.startswith("401"):
                more = [("WWW-Authenticate", 'Basic realm="the notice", charset="UTF-8"')]
        start_response(status, [*_HEADERS, *more])
        return [body.encode("utf-8", "replace")]

    return application


def _answer(environ: WSGIEnvironment, folder: Path, token: str) -> str:
    """A page; "" where the form has done its work."""
    if environ.get("HTTP_HOST", "").rpartition(":")[0] not in ("127.0.0.1", "localhost"):
        raise Refused("400 Bad Request", "The form answers to 127.0.0.1 and localhost only.")
    if not _knows(environ.get("HTTP_AUTHORIZATION", ""), token):
        raise Refused("401 Unauthorized", "The password is the token; the name does not matter.")
    if environ.get("PATH_INFO") != "/":
        raise Refused("404 Not Found", "There is nothing here.")
    if environ["REQUEST_METHOD"] == "GET":
        return _form(folder, token)
    if environ["REQUEST_METHOD"] != "POST":
        raise Refused("405 Method Not Allowed", "Only GET and POST.")
    given = _given(environ)
    origin = environ.get("HTTP_ORIGIN", "")
    if origin not in ("", f"http://{environ['HTTP_HOST']}") or not _is_ours(given.get("csrf", ""), token):
        raise Refused("403 Forbidden", "The form is not ours, or too old: open it again.")
    text = given.get("text", "").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MOST:
        raise Refused("400 Bad Request", f"The notice has {len(text):,} characters; {MOST:,} are allowed.")
    act = given.get("do")
    if act == "preview":
        shown = render(Notice(text, True, time.strftime("%Y-%m-%dT%H:%M:%S")), 0)
        return shown.replace("<body>", _PREVIEW, 1)
    if act == "enable" and not text.strip():
        raise Refused("400 Bad Request", "A notice without words cannot be shown.")
    if act not in ("save", "enable", "disable"):
        raise Refused("400 Bad Request", "There is no such button.")
    try:
        change(folder, text, {"enable": True, "disable": False}.get(act), version=given.get("version"))
    except Changed:
        raise Refused("409 Conflict", "Somebody else has changed the notice since this form was opened.") from None
    except OSError as error:
        words = f"The page could not be written ({error.strerror}); it is tried again each minute."
        raise Refused("503 Service Unavailable", words) from None
    return ""


def _form(folder: Path, token: str) -> str:
    try:
        notice, damaged = read(folder), ""
    except ValueError as error:
        notice, damaged = Notice(), str(error)
    state = "<strong>Not shown.</strong> The page is as usual."
    if notice.enabled:
        readers = readers_of(notice)
        times = "" if readers is None else f" Read {readers:,} {'time' if readers == 1 else 'times'} so far."
        state = f"<strong>Shown</strong> since {datetime.fromisoformat(notice.since):%d %B, %H:%M}.{times}"
    buttons = [("preview", "Preview", ' formtarget="_blank"'), ("save", "Save", "")]
    if notice.enabled:
        buttons += [("disable", "Take it down", ' class="alarm"')]
    else:
        buttons += [("enable", "Show it now", ' class="alarm"')]
    return Template(_TEMPLATE.read_text("utf-8")).substitute(
        state=html.escape(damaged) or state,
        csrf=_csrf(token, int(time.time() // _DAY)),
        version=notice.version,
        most=MOST,
        text=html.escape(notice.text),
        buttons="\n".join(f'<button name="do" value="{do}"{more}>{words}</button>' for do, words, more in buttons),
    )


def _given(environ: WSGIEnvironment) -> dict[str, str]:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not 0 <= length <= _MOST_BYTES:
            raise Refused("413 Content Too Large", "That is too much.")
        fields = parse_qs(environ["wsgi.input"].read(length).decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise Refused("400 Bad Request", "That is no form.") from None
    return {name: values[0] for name, values in fields.items()}


def _knows(header: str, token: str) -> bool:
    scheme, _, rest = header.partition(" ")
    try:
        _, _, password = base64.b64decode(rest, validate=True).partition(b":")
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(password, token.encode())


def _csrf(token: str, day: int) -> str:
    return hmac.new(token.encode(), f"csrf {day}".encode(), hashlib.sha256).hexdigest()


def _is_ours(given: str, token: str) -> bool:
    """Whether it is the hidden field of today or yesterday."""
    day = int(time.time() // _DAY)
    return any(hmac.compare_digest(given.encode(), _csrf(token, day - back).encode()) for back in (0, 1))
