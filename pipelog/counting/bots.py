"""Is this user agent a program? Its name and class, and which rule said so.

A bot's value in a tally is "class/Name"; the classes stand in `bot_names`. The first rule that
applies decides: no agent at all; a name of our table; a pattern of the package, where it is given; a word that says it;
an address; no sign of a browser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pipelog.counting.bot_names import NAMES

Search = Callable[[str], tuple[str, str] | None]
"""A further list of programs: the value for an agent and the pattern that was found, or None."""


class Verdict(NamedTuple):
    """`value`: "class/Name", or None for a person's browser. `rule`: what decided, in words."""

    value: str | None
    rule: str


EMPTY = "other/(no agent)"
UNNAMED = "(unnamed)"
LONGEST = 2048
"""Characters of an agent that are looked at; no program's name stands behind them."""


def by_first_letter(words: Iterable[str]) -> str:
    """An expression for any of the words, a branch for each first letter: many times faster than one for each word.

    Where two begin at the same place the longer one is found: the name with more in it.
    """
    tails: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        tails.setdefault(word[0], []).append(re.escape(word[1:]))
    return "|".join(f"{re.escape(letter)}(?:{'|'.join(rest)})" for letter, rest in tails.items()) or r"(?!)"


_VALUES = {
    name.lower(): f"{kind}/{name.replace('/', ' ')}" for kind, names in NAMES.items() for name in names.split("|")
}
_KNOWN = re.compile(rf"(?<![a-z0-9])(?:{by_first_letter(_VALUES)})(?![a-z])")

# Words that programs use of themselves, with the class that each tells; the first that is found anywhere decides.
# A look back stands behind its word: so a branch begins with a letter, and the search is several times as fast.
# Left out is what the same letters mean in agents of people: "cubot" is a maker of telephones, "CamScanner" an
# application that shows pages, "MozacFetch" a part of Firefox, "MAPI" a part of Outlook.
_WORDS = {
    "ai-training": r"gpt(?<!\wgpt)|llm(?<![a-z]llm)s?(?![a-z])",
    "feed": r"feed(?<!\wfeed)|rss(?<!\wrss)|rss(?![a-z0-9])|podcatch",
    "monitor": r"monitor|uptime|health-?check|synthetic|observatory|page ?speed|ping(?<!\wping)(?:er|dom)?(?![a-z])",
    "seo": r"seo(?<![a-z]seo)(?![a-z])|backlink|sitemap|site ?audit|link ?check",
    "social": r"preview|unfurl|linkexpand|onebox",
    "tool": r"fetch(?<!mozacfetch)(?:er|ing)?(?![a-z])|scrap[ei]|scan(?<!camscan)(?:ner|ning|s)?(?![a-z])|headless"
    r"|libwww-perl|https?[ -]?client|api(?<![a-z]api)(?![a-z])|python(?<!\wpython)|perl(?<!\wperl)|ruby(?<!\wruby)"
    r"|php(?<!\wphp)|webhook|selenium|webdriver|download(?:er)?\b",
    "other": r"bot(?<!cubot)s?(?![a-z])|crawl|spider|slurp|archiv|validator|inspect|survey|resolver|verif|extractor"
    r"|screenshot|capture|optimi[sz]er|analy[sz]er|generator|exporter|detector|research|daemon|favicon"
    r"|check(?<![a-z]check)(?:er|ing|s)?(?![a-z])|checker|(?:image|e?mail) ?proxy|agent(?<=[a-z_-]agent)s?(?![a-z])"
    r"|google-(?<!\wgoogle-)|-google\b|batch(?<![a-z]batch)(?![a-z])|cron(?<![a-z]cron)(?![a-z])"
    r"|test(?<![a-z]test)(?:er|ing)?(?![a-z-])",
}
_SAYS_IT = [(kind, re.compile(pattern)) for kind, pattern in _WORDS.items()]
# The address of a page, a domain or a mailbox: no browser sends one. com.example.app, the name of an application,
# has its "com" in front; "name android@111.0" is no mailbox.
_ADDRESS = re.compile(
    r"https?:|\bwww\.|[a-z0-9-]\.(?:com|org|net|info|io|ai)(?![a-z0-9.-])"
    r"|[a-z0-9](?:@|\(at\)|\[at\])[a-z][a-z0-9-]{0,62}\."
)
# "Mozilla/5.0 (compatible; Name": since Internet Explorer nobody but programs, and these few.
_COMPATIBLE = re.compile(
    r"compatible; ?\+?(?!msie|konqueror|u;|ibrowse|amiga|netpositive|ms-office|opera|icab|omniweb|windows)"
    r"([a-z])"
)
_JOINED = re.compile(r"[,|] ?mozilla/[45]")
# What a browser tells of its platform or itself (RFC 9110 section 10.1.5 asks for as much).
_BROWSER = re.compile(
    r"windows|win(?:9[58]|10)|macintosh|mac ?os|\bmac|linux|android|iphone|ipad|ipod|\bios\b|x11|bsd|\bcros\b|symbian"
    r"|series ?[468]0|midp|j2me|cldc|black ?berry|bb10|playbook|playstation|\bps[345]|nintendo|xbox|roku|web0?os|tizen"
    r"|kaios|bada/|darwin|cfnetwork|dalvik|cygwin|amiga|morphos|haiku|beos|syllable|inferno|os/2|sunos|palm|maemo|meego"
    r"|sailfish|kindle|smart-?tv|apple ?tv|crkey|risc os|up\.browser|ucweb|browser|opera[/ ]|opera$|^lynx|^e?links\b"
    r"|^w3m|^outlook|microsoft office|ms-?office|\[fban/|\brv:\d|\bmozac|version/[0-9.]+ (?:mobile )?(?:chrome|safari)/"
    r"|^mot-|^nokia|^samsung"
)
# Nothing but what every browser calls itself first.
_BARE = re.compile(r"mozilla(?:/[0-9.]+)?")
# One product and nothing else; the browsers of the Amiga, and a part of Firefox, are the exceptions that we know.
_SOLE = re.compile(r"(?!mozilla|opera/|[^ ]*amiga|mozac)[^\s()]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9._-]", re.ASCII)
_EVERYBODYS = re.compile(
    r"mozilla|applewebkit|khtml|like|gecko|compatible|https?|www|windows|nt|macintosh|intel|mac|os|x|x11|linux|android"
    r"|iphone|ipad|cpu|u|i686|x86_64|wow64|win64|x64|en(?:-us)?|mobile|version|chrome|safari|firefox|msie|trident|via",
    re.I,
)


def verdict(agent: str | None, search: Search | None = None) -> Verdict:
    """What a user agent is, and why; `search` looks through a further list of programs, see `crawlers`."""
    if not agent or not agent.strip() or agent == "-":
        return Verdict(EMPTY, "no agent: every browser sends one")
    agent = agent[:LONGEST]
    lower = agent.lower()
    if known := _KNOWN.search(lower):
        return Verdict(_VALUES[known.group()], f"the name {known.group()} stands in pipelog's table")
    if search and (found := search(agent)):
        return Verdict(found[0], f"pattern {found[1]} of the package crawler-user-agents")
    for kind, words in _SAYS_IT:
        if word := words.search(lower):
            return Verdict(f"{kind}/{_around(agent, word)}", f"the word {word.group().strip()!a} says it")
    if address := _ADDRESS.search(lower):
        return Verdict(f"other/{_around(agent, address)}", f"an address ({address.group()!a}): no browser sends one")
    if name := _COMPATIBLE.search(lower):
        return Verdict(f"other/{_around(agent, name)}", '"compatible;" and then no browser\'s name')
    if _JOINED.search(lower):
        return Verdict(f"other/{_first_name(agent)}", "a browser's agent behind another: no browser sends two")
    if _SOLE.fullmatch(lower):
        return Verdict(f"other/{_first_name(agent)}", "one product and nothing else: a browser tells of its platform")
    if not _BROWSER.search(lower) and not _BARE.fullmatch(lower):
        return Verdict(f"other/{_first_name(agent)}", "names no platform and no browser")
    return Verdict(None, "nothing says that it is a program")


def bot(agent: str | None, search: Search | None = None) -> str | None:
    """ "class/Name" of the bot behind a user agent, or None for what looks like a person's browser."""
    return verdict(agent, search).value


def _around(agent: str, found: re.Match[str]) -> str:
    """The name that what was found in lower case is a part of; it and at most 32 characters on either side."""
    first, last = found.span(found.lastindex or 0)
    if not agent.isascii():  # "İ" is two characters in lower case: the places need not agree
        return _first_name(agent)
    if agent[first:last].startswith(("http", "www")):
        return _first_name(agent)
    low, high = max(0, first - 32), min(len(agent), last + 32)
    while first > low and _PART.match(agent[first - 1]):
        first -= 1
    while last < high and _PART.match(agent[last]):
        last += 1
    return _first_name(agent[first:last])


def _first_name(text: str) -> str:
    """The first word that is not what every browser says."""
    for word in _NAME.finditer(text[:512]):
        name = word.group().rstrip("._-")
        if not _EVERYBODYS.fullmatch(name):
            return name
    return UNNAMED
