"""The words people searched for: from engines that still send them, and from the site's own parameters."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from pipelog.counting.referrers import Source

NOT_PROVIDED = "(not provided)"
"""What engines count as that hide the words (all big ones do since 2011, through the referrer policy)."""

MAX_KEYWORD = 200
"""Characters; longer ones are cut."""

_PARAMETERS = {
    "Google": ("q",),
    "Yahoo": ("p", "q"),
    "Yandex": ("text", "query"),
    "Baidu": ("wd", "word"),
    "Naver": ("query",),
    "Sogou": ("query",),
    "Startpage": ("query", "q"),
    "Swisscows": ("query",),
}


def parameters(query: str) -> dict[str, str]:
    """Query string -> name -> value, the first of each name, form encoding undone.

    Values that are no UTF-8 text are left out: bytes never become text by guessing.
    """
    found: dict[str, str] = {}
    for pair in query.split("&", 100):
        name, equals, value = pair.partition("=")
        if equals and name not in found:
            try:
                raw = unquote_to_bytes(value.replace("+", " ").encode("utf-8", "surrogateescape"))
                found[name] = raw.decode("utf-8")
            except UnicodeDecodeError:
                pass
    return found


def tidy(words: str) -> str:
    """Search words as they are counted: lower-case, printable, single blanks, at most `MAX_KEYWORD` characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).lower().split())[:MAX_KEYWORD].strip()


def searched(source: Source) -> str | None:
    """The words that a search engine's referrer carries, "(not provided)" where it hides them; else None."""
    if source.medium != "search":
        return None
    given = parameters(source.rest.partition("?")[2])
    for name in _PARAMETERS.get(source.name, ("q",)):
        words = tidy(given.get(name, ""))
        if words:
            return words
    return NOT_PROVIDED
