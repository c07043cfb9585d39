"""Backend and sink URLs: parsed once, here, into a `Location`.

    memory:
    sqlite:///var/lib/pipelog/counters.db          an absolute path (RFC 8089, section 2)
    sqlite:counters.db                             a relative one
    memcached://h1:11211,h2,[::1]:11212?timeout=0.5
    memcached:///run/memcached.sock                a Unix socket
    sql+postgresql://user:secret@db/site           a scheme with a driver

What has a meaning in URLs stands for itself only when percent-encoded (RFC 3986, section 2.1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pipelog.errors import LocationError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*(?:\+[A-Za-z0-9.-]+)?):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"([A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?)\](?::([0-9]{1,5}))?")
_SECRET = re.compile(r"pass|pw|secret|token|key", re.IGNORECASE)
_HIDDEN = "***"


@dataclass(frozen=True, slots=True, repr=False)
class Location:
    """Where a backend or a sink is. `str` and `repr` hide the password, and no message ever repeats one.

    Parts are decoded: escapes are undone, text is UTF-8 with undecodable bytes kept by `surrogateescape`, as
    Python keeps them in file names.
    """

    scheme: str  #: lower case, with its driver: "sqlite", "sql+postgresql"
    hosts: tuple[tuple[str, int | None], ...] = ()  #: host (IPv6 without brackets) and port, None where none is given
    path: str = ""  #: "/absolute" or "relative"
    user: str | None = None
    password: str | None = None
    query: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL; LocationError says what is wrong with it without repeating any of it but the scheme."""
        match = _SCHEME.match(url)
        if match is None:
            raise LocationError("a location begins with a scheme, as in sqlite:///path or memcached://host:11211")
        scheme = match[1].lower()
        if _CONTROL.search(url):
            raise LocationError(f"{scheme}: the location holds a control character; write it as %xx")
        if "#" in url:
            raise LocationError(f"{scheme}: a location has no fragment; write # as %23")
        if _BAD_ESCAPE.search(url):
            raise LocationError(f"{scheme}: a % is not followed by two hexadecimal digits; write % itself as %25")
        rest, _, query = url[match.end() :].partition("?")
        authority = ""
        if rest.startswith("//"):
            authority, slash, path = rest[2:].partition("/")
            rest = slash + path
            if authority and "@" in rest + query:
                # More often than not the second half of a password that holds a "/" or a "?".
                raise LocationError(f"{scheme}: in user, password and path, write @ as %40, / as %2F and ? as %3F")
        userinfo, at, hosts = authority.rpartition("@")
        user, colon, password = userinfo.partition(":")
        if at and not hosts:
            raise LocationError(f"{scheme}: there is no host after the @")
        return cls(
            scheme,
            tuple(_host(scheme, number, text) for number, text in enumerate(hosts.split(","), 1)) if hosts else (),
            _decode(rest),
            _decode(user) if at else None,
            _decode(password) if colon else None,
            _query(scheme, query),
        )

    @property
    def driver(self) -> str:
        """What stands after the "+" of the scheme; "" where there is none."""
        return self.scheme.partition("+")[2]

    def addresses(self, default_port: int) -> tuple[tuple[str, int], ...]:
        """The hosts, each with a port."""
        return tuple((host, default_port if port is None else port) for host, port in self.hosts)

    def local_path(self) -> Path:
        """The path of a location that is a file or a folder of this machine; LocationError where it is neither."""
        if self.hosts or self.user is not None:
            raise LocationError(
                f"{self.scheme}: names a host, but is a local path: write {self.scheme}:///absolute or "
                f"{self.scheme}:relative"
            )
        if not self.path.strip("/") or "\0" in self.path:
            raise LocationError(f"{self.scheme}: names no file or folder: write {self.scheme}:///absolute/path")
        # Four slashes are what SQLAlchemy asks for; two at a path's begin mean something else to POSIX and to SQLite.
        return Path("/" + self.path.lstrip("/") if self.path.startswith("/") else self.path)

    def take_query(self, known: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
        """The settings of the query, each converted by what `known` has for its key; absent ones stay absent.

        LocationError, naming the known keys, for any other key, and for a value that its converter refuses with
        ValueError.
        """
        taken = {}
        for key, text in self.query.items():
            if key not in known:
                names = ", ".join(sorted(known)) or "none"
                raise LocationError(f"{self.scheme}: unknown setting {key!r}; known are: {names}")
            try:
                taken[key] = known[key](text)
            except ValueError as error:
                raise LocationError(f"{self.scheme}: the setting {key} cannot be used: {error}") from error
        return taken

    def __str__(self) -> str:
        text = self.scheme + ":"
        if self.hosts or self.user is not None or self.path.startswith("/"):
            text += "//"
        if self.user is not None:
            text += _encode(self.user) + (":" + _HIDDEN if self.password is not None else "") + "@"
        text += ",".join(
            ("[" + host.replace("%", "%25") + "]" if ":" in host else host) + ("" if port is None else f":{port}")
            for host, port in self.hosts
        )
        text += _encode(self.path, "/" if self.hosts else "/@")
        settings = "&".join(
            f"{_encode(key)}={_HIDDEN if _SECRET.search(key) else _encode(value, '/')}"
            for key, value in self.query.items()
        )
        return text + ("?" + settings if settings else "")

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"


def seconds(text: str) -> float:
    """Converter for `Location.take_query`: a time span, finite and above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("use a number of seconds above 0")
    return value


def _decode(text: str) -> str:
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _encode(text: str, safe: str = "") -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe)


def _host(scheme: str, number: int, text: str) -> tuple[str, int | None]:
    # The messages count the hosts instead of naming them: an unescaped password can end up here.
    match = _BRACKETED.fullmatch(text.replace("%25", "%", 1)) or _HOST.fullmatch(text)  # %25: RFC 6874, section 2
    if match is None:
        raise LocationError(
            f"{scheme}: host number {number} cannot be read; write name, name:port or [IPv6]:port, commas between"
        )
    port = None if match[2] is None else int(match[2])
    if port is not None and not 1 <= port <= 65535:
        raise LocationError(f"{scheme}: the port of host number {number} is not between 1 and 65535")
    return match[1], port


def _query(scheme: str, text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for number, pair in enumerate(text.split("&") if text else (), 1):
        name, equals, value = pair.partition("=")
        key = _decode(name)
        if not key or not equals:
            raise LocationError(f"{scheme}: setting number {number} after the ? is not of the form key=value")
        if key in settings:
            raise LocationError(f"{scheme}: setting number {number} after the ? is given twice")
        settings[key] = _decode(value)
    return settings
