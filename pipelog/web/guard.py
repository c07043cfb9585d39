"""Who may ask: methods that only read, names of this host, and the token where one is set."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from pipelog.web.asked import Refused

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
COOKIE = "pipelog"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}?)\.?(?::[0-9]{1,5})?")
_FORM = 4_096  # bytes
_KEPT = 30 * 86_400  # seconds for which a browser keeps the cookie


class Guard:
    """`hosts`: names besides those of this machine, "*" for any. `token`: the secret, "" for none."""

    def __init__(self, hosts: str = "", token: str = "") -> None:
        self._hosts = {name.strip().lower() for name in hosts.split(",") if name.strip()} | set(LOOPBACK)
        self._token = token.encode("utf-8", "surrogateescape")
        # A cookie is stored and sent again and again: it holds what only the token can make, not the token.
        self._cookie = hmac.new(self._token, b"pipelog live page", hashlib.sha256).hexdigest()

    def check_host(self, environ: Mapping[str, Any]) -> None:
        """Refuse a name that is not ours: a stranger's page could else point its own name here (DNS rebinding)."""
        found = _HOST.fullmatch(environ.get("HTTP_HOST", ""))
        if "*" not in self._hosts and not (found and found[1].lower() in self._hosts):
            raise Refused(400, "This host name is not one of the live page's: see the setting web_hosts.")

    def admits(self, environ: Mapping[str, Any]) -> bool:
        """Whether the request has the token: in `Authorization: Bearer`, or as the cookie of `login`."""
        if not self._token:
            return True
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip().encode("latin-1", "replace")):
            return True
        try:
            cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")[:8_192]).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(
            cookie.value.encode("utf-8", "replace"), self._cookie.encode()
        )

    def login(self, environ: Mapping[str, Any], root: str) -> str | None:
        """The cookie to set for a form with the token in it; None for a wrong one."""
        try:
            length = min(int(environ.get("CONTENT_LENGTH") or 0), _FORM)
        except ValueError:
            length = 0
        form = environ["wsgi.input"].read(max(length, 0)).decode("utf-8", "replace")
        try:
            given = parse_qs(form, max_num_fields=5).get("token", [""])[0]
        except ValueError:
            return None
        if not self._token or not self._is_token(given.encode("utf-8", "replace")):
            return None
        secure = "; Secure" if environ.get("wsgi.url_scheme") == "https" else ""
        return f"{COOKIE}={self._cookie}; Path={root}/; Max-Age={_KEPT}; HttpOnly; SameSite=Strict{secure}"

    def _is_token(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._token)
