"""The canonical name of a page.

A page is the path of a request target, written in one way only, so that `/a`, `//a`, `/./a`, `/%61` and
`http://site/a?from=mail` are one page. The result is printable ASCII without blanks (RFC 3986 §6.2.2: case and
percent-encoding normalisation, path segment normalisation).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable

from pipelog.counting.rules import OTHER, Resolver, Rules
from pipelog.errors import SettingsError

MAX_PAGE = 1024
"""Bytes; a longer page is counted as "(other)"."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
# RFC 3986 §2.3: an unreserved character means the same escaped or not; everything not in §3.3 pchar must be escaped.
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ODD = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")
_PLAIN = re.compile(r"(?:/[A-Za-z0-9\-_~!$&'()*+,;=:@][A-Za-z0-9\-._~!$&'()*+,;=:@]*+)*+/?")
_SLASHES = re.compile(r"//+")
_END = re.compile(r"[?#]")


def _uniform(match: re.Match[str]) -> str:
    odd = match.group()
    if len(odd) == 3:
        byte = int(odd[1:], 16)
        return chr(byte) if byte in _UNRESERVED else odd.upper()
    return "".join(f"%{byte:02X}" for byte in odd.encode("utf-8", "surrogateescape"))


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def path_of(target: str) -> str | None:
    """The path of a request target (or a URL, or a path) in canonical form, of any length.

    None where the target has none ("*", "host:443").
    """
    absolute = _ABSOLUTE.match(target)
    if absolute:
        target = target[absolute.end() :]
        if not target.startswith("/"):
            target = "/" + target
    elif not target.startswith("/"):
        return None
    path = _END.split(target, 1)[0]
    if not _PLAIN.fullmatch(path):
        path = _SLASHES.sub("/", _ODD.sub(_uniform, path))
        if "/." in path:
            path = _without_dots(path)
    return path


def canonical(target: str, parameters: tuple[str, ...] = (), index_names: tuple[str, ...] = ()) -> str | None:
    """The page that a request target (or a URL, or a path) names, or None where it names none ("*", "host:443").

    `parameters` are the query parameters that belong to the name; they are written in that order, the first value of
    each. `index_names` are what the server answers a folder with, and so other names of the folder.
    """
    path = path_of(target)
    if path is None:
        return None
    folder, _, name = path.rpartition("/")
    if name in index_names:
        path = folder + "/"
    if parameters:
        path += _kept(target, parameters)
    return path if len(path) <= MAX_PAGE else OTHER


def _kept(target: str, parameters: tuple[str, ...]) -> str:
    query = target.partition("#")[0].partition("?")[2]
    given: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, _, value = _ODD.sub(_uniform, pair).partition("=")
        given.setdefault(name, value)
    written = [f"{name}={given[name]}" for name in (_ODD.sub(_uniform, name) for name in parameters) if name in given]
    return "?" + "&".join(written) if written else ""


def load_resolver(name: str) -> Resolver:
    """The function that the setting `resolver` ("module:function") names. Raises `SettingsError`."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever the application's own module raises
        raise SettingsError(f"resolver {name!r} cannot be loaded: {error!r}") from error
    if not callable(found):
        raise SettingsError(f"resolver {name!r} is no function; give module:function")
    return found  # type: ignore[no-any-return]


def page_namer(rules: Rules) -> Callable[[str], str | None]:
    """Path or target -> page, as these rules have it: canonical form, then the resolver.

    Where a resolver raises, or answers what is no name (""), the page counts under its path: a fault in the
    application must not stop the counting, nor count a page for the whole site.
    """
    parameters, index_names = rules.parameters, rules.index_names
    if not rules.resolver:
        return lambda target: canonical(target, parameters, index_names)
    resolve = load_resolver(rules.resolver)

    def named(target: str) -> str | None:
        path = canonical(target, parameters, index_names)
        if path is None or path == OTHER:
            return path
        try:
            page = resolve(path)
            return None if page is None else _cut(str(page)) or path
        except Exception:
            return path

    return named


def _cut(name: str) -> str:
    """At most `MAX_PAGE` bytes of a name; what is no text in it is replaced."""
    return name.encode("utf-8", "replace")[:MAX_PAGE].decode("utf-8", "ignore")
