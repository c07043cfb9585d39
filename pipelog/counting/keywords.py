"""The words people searched for: from engines that still send them, and from the site's own parameters."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from pipelog.counting.referrers import Source

NOT_PROVIDED = "(not provided)"
"""What engines count as that hide the words (all big ones do since 2011, through the referrer policy)."""

MAX_KEYWORD = 200
"""Characters; longer ones are cut."""

PARAMETERS = {
    "Baidu": ("wd", "word", "kw"),
    "Coc Coc": ("query",),
    "Excite": ("q", "search"),
    "Goo": ("MT",),
    "Google": ("q", "as_q"),
    "Libero": ("q", "qs"),
    "Marginalia": ("query",),
    "MetaGer": ("eingabe",),
    "MyWebSearch": ("searchfor",),
    "Naver": ("query",),
    "Nifty": ("q", "Text"),
    "Onet": ("q", "qt"),
    "Orange": ("q", "kw"),
    "Petal": ("query",),
    "Rambler": ("query", "words"),
    "Sogou": ("query", "keyword"),
    "Startpage": ("query", "q"),
    "Swisscows": ("query",),
    "Toutiao Search": ("keyword",),
    "Virgilio": ("qs",),
    "WP": ("q", "szukaj"),
    "Yahoo": ("p", "q", "va"),
    "Yandex": ("text", "query"),
}
"""Engine -> the parameters that hold its words, the first that has any counts; "q" for all others."""

CHARSET_PARAMETERS = ("ie", "ei", "IE")
"""Where a search form tells the charset it was sent in: "ie" of Google, Baidu, Naver and Sogou, "ei" of Yahoo, "IE" of
Goo. Google's "ei" is something else, and never the name of a charset."""

CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "euckr": "cp949",
    "ks_c_5601-1987": "cp949",
    "euc-jp": "euc_jp",
    "eucjp": "euc_jp",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "windows-1251": "cp1251",
    "cp1251": "cp1251",
    "koi8-r": "koi8_r",
    "iso-8859-1": "cp1252",
    "windows-1252": "cp1252",
    "iso-8859-2": "iso8859_2",
    "windows-1250": "cp1250",
}
"""Name in a URL -> Python's codec, as the Encoding Standard reads the names (https://encoding.spec.whatwg.org/). No
other codec is ever asked for: Python has some that are no charsets."""

OLD_CHARSETS = {"Baidu": "gb18030", "Sogou": "gb18030", "Naver": "cp949", "Nate": "cp949", "Goo": "euc_jp"}
"""What engines took words in before UTF-8, where the URL names none. Only charsets in which most bytes are wrong: in
those of one byte a character (windows-1251), any bytes would pass for text."""


def parameters(query: str, charset: str = "utf-8", old: str = "") -> dict[str, str]:
    """Query string -> name -> value, the first of each name, form encoding undone.

    Values that are no text in `charset`, nor in `old` where that is given (Python's names), are left out: bytes never
    become text by guessing.
    """
    found: dict[str, str] = {}
    for pair in query.split("&", 100):
        name, equals, value = pair.partition("=")
        if equals and name not in found:
            raw = unquote_to_bytes(value.replace("+", " ").encode("utf-8", "surrogateescape"))
            text = _text(raw, charset, old)
            if text is not None:
                found[name] = text
    return found


def _text(raw: bytes, charset: str, old: str) -> str | None:
    try:
        return raw.decode(charset)
    except UnicodeDecodeError as error:
        cut = error.reason == "unexpected end of data"  # UTF-8 that lacks its end, and nothing else
        return _text(raw, old, "") if old and not cut else None


def tidy(words: str) -> str:
    """Search words as they are counted: lower-case, printable, single blanks, at most `MAX_KEYWORD` characters."""
    if not words.isprintable():
        words = "".join(c if c.isprintable() else " " for c in words)
    return " ".join(words.lower().split())[:MAX_KEYWORD].strip()


def searched(source: Source) -> str | None:
    """The words that a search engine's referrer carries, "(not provided)" where it hides them; else None.

    They are read in the charset that the URL names; where it names none, as UTF-8, or else in the engine's old one.
    """
    if source.medium != "search":
        return None
    query = source.rest.partition("?")[2]
    given = parameters(query)
    named = next(filter(None, (CHARSETS.get(given.get(p, "").lower()) for p in CHARSET_PARAMETERS)), None)
    if named:
        given = parameters(query, named)
    elif source.name in OLD_CHARSETS:
        given = parameters(query, old=OLD_CHARSETS[source.name])
    for name in PARAMETERS.get(source.name, ("q",)):
        words = tidy(given.get(name, ""))
        if words:
            return words
    return NOT_PROVIDED
