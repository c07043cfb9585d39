"""The canonical name of a page.

A page is the path of a request target, written in one way only, so that `/a`, `//a`, `/./a`, `/%61` and
`http://site/a?from=mail` are one page. The result is printable ASCII without blanks (RFC 3986 §6.2.2: case and
percent-encoding normalisation, path segment normalisation). docs/counting.md has the rules as tables.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable

from pipelog.counting.rules import OTHER, Resolver, Rules
from pipelog.errors import SettingsError

MAX_PAGE = 1024
"""Bytes; a longer page is counted as "(other)"."""

MOST_ANSWERS = 10_000
"""Names that a resolver gave, and doubts, that are remembered, of at most 2 KiB each."""
DOUBT = 60.0
"""Seconds for which a resolver's "no page" is remembered: what is not published yet may be so in a minute."""

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
# RFC 3986 §2.3: an unreserved character means the same escaped or not; everything not in §3.3 pchar must be escaped.
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ODD = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")
_PLAIN = re.compile(r"(?:/[A-Za-z0-9\-_~!$&'()*+,;=:@][A-Za-z0-9\-._~!$&'()*+,;=:@]*+)*+/?")
_SLASHES = re.compile(r"//+")
_END = re.compile(r"[?#]")
_UPPER = re.compile(r"%[0-9A-F]{2}|[A-Z]+")


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


def folded(path: str) -> str:
    """A canonical path in lower case: the letters A to Z, and not those of percent-escapes."""
    return _UPPER.sub(lambda match: match[0] if match[0][0] == "%" else match[0].lower(), path)


def path_of(target: str, *, fold_case: bool = False) -> str | None:
    """The path of a request target (or a URL, or a path) in canonical form, of any length.

    None where the target has none ("*", "host:443").
    """
    if target and _PLAIN.fullmatch(target):
        return folded(target) if fold_case else target
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
    return folded(path) if fold_case else path


def canonical(
    target: str,
    parameters: Iterable[str] = (),
    index_names: Iterable[str] = (),
    *,
    fold_case: bool = False,
    trailing_slash: str = "keep",
) -> str | None:
    """The page that a request target (or a URL, or a path) names, or None where it names none ("*", "host:443").

    `parameters` are the query parameters that belong to the name; they are written in that order, the first value of
    each. `index_names` are what the server answers a folder with, and so other names of the folder. `trailing_slash`:
    "add" leaves names with a dot as they are, for they are files. The name of a page is the name of that name.
    """
    path = path_of(target, fold_case=fold_case)
    return None if path is None else _named(path, target, parameters, index_names, trailing_slash)


def _named(path: str, target: str, parameters: Iterable[str], index_names: Iterable[str], trailing_slash: str) -> str:
    """The page of a target whose path is known."""
    if index_names or trailing_slash != "keep":
        path = _folder(path, index_names, trailing_slash)
    if parameters:
        path += _kept(target, parameters)
    return path if len(path) <= MAX_PAGE else OTHER


def _folder(path: str, index_names: Iterable[str], trailing_slash: str) -> str:
    if trailing_slash == "strip":
        segments = path.rstrip("/").split("/")
        while segments[-1] and segments[-1] in index_names:  # without its slash a folder may look like a file, too
            segments.pop()
        return "/".join(segments) or "/"
    folder, _, name = path.rpartition("/")
    if name in index_names:
        return folder + "/"
    return path + "/" if trailing_slash == "add" and name and "." not in name else path


def _kept(target: str, parameters: Iterable[str]) -> str:
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


class PageNamer:
    """Path or target -> page, as some rules have it: canonical form, then the resolver. Raises `SettingsError`.

    Where a resolver raises, or answers what is no name (""), the page counts under its path: a fault in the
    application must not stop the counting, nor count a page for the whole site.
    """

    def __init__(self, rules: Rules) -> None:
        rules.check()
        self.fold_case = rules.fold_case
        index_names = tuple(folded(name) if rules.fold_case else name for name in rules.index_names)
        self._how = rules.parameters, index_names, rules.trailing_slash
        self._answers = Answers(load_resolver(rules.resolver), time.monotonic) if rules.resolver else None

    def __call__(self, target: str) -> str | None:
        path = path_of(target, fold_case=self.fold_case)
        return None if path is None else self.of(path, target)

    def of(self, path: str, target: str) -> str | None:
        """The same where the target's path (`path_of`, with this `fold_case`) is known."""
        page = _named(path, target, *self._how)
        return page if self._answers is None or page == OTHER else self._answers.page(page)


class Answers:
    """What a resolver answered, so that it is asked once for a path.

    A name is remembered while there is room, "no page" and a failure for `DOUBT` seconds. `clock`: seconds.
    """

    def __init__(self, resolve: Resolver, clock: Callable[[], float]) -> None:
        self._resolve = resolve
        self._clock = clock
        self._names: dict[str, str] = {}
        self._doubts: dict[str, str | None] = {}
        self._doubted = clock()

    def page(self, path: str) -> str | None:
        """The page that a canonical path is."""
        known = self._names.get(path)
        if known is not None:
            return known
        now = self._clock()
        if now - self._doubted >= DOUBT:
            self._doubts.clear()
            self._doubted = now
        if path in self._doubts:
            return self._doubts[path]
        for answers in (self._names, self._doubts):
            if len(answers) >= MOST_ANSWERS:
                answers.clear()
        page: str | None
        try:
            answer = self._resolve(path)
            page = None if answer is None else _cut(str(answer))
        except Exception:  # whatever the application raises
            page = ""
        if page:
            self._names[path] = page
            return page
        self._doubts[path] = doubt = None if page is None else path
        return doubt


def _cut(name: str) -> str:
    """At most `MAX_PAGE` bytes of a name; what is no text in it is replaced."""
    return name.encode("utf-8", "replace")[:MAX_PAGE].decode("utf-8", "ignore")
