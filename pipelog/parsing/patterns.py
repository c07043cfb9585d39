"""Regular expressions for the lines of a format: one that takes every line, one that is fast.

No line takes more than linear time. Every repetition is possessive or ends at a fixed byte; where a value may hold
anything, it ends at the *first* place where what must follow stands (an atomic group, so that no later failure tries
the next place). For "%u %t" that place is " [day/month/year:time offset] ", and as httpd escapes every quote of a
client, the first such place before a quote is the true one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from pipelog.errors import FormatError
from pipelog.parsing.directives import Directive, Item, Shape

# What stands between quotes: no bare quote; a backslash takes the next byte with it (ap_escape_logitem).
_QUOTED = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
# Of those, the ones without a quote: the first quote ends them, unless a backslash stands before it. sre looks for one
# byte three times as fast as for one of a set, so here and wherever else a value may hold much, a newline is not looked
# for; `FastReader` counts them.
_FAST_QUOTED = rb'[^"]*+(?<!\\)'

_ANY = {Shape.TEXT: rb".", Shape.WORD: rb"[^ \t]", Shape.HOST: rb"[^ \t,]", Shape.QUERY: rb"."}
_EXCLUDED = {Shape.TEXT: b"", Shape.WORD: rb" \t\n", Shape.HOST: rb" \t,\n"}

_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_FAST_IPV4 = rb"(?:" + _OCTET + rb"\.){3}" + _OCTET
# Cheap to match: `FastReader` looks at each distinct time once, by `PLAIN_TIME`, as many lines share a second.
_FAST_TIME = rb"[^\]]*+"
PLAIN_TIME = re.compile(
    rb"[0-3][0-9]/(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/[0-9]{4}"
    rb":(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] [+-](?:[01][0-9]|2[0-3])[0-5][0-9]"
)
"""A CLF time as httpd writes it, all but the number of days of its month."""


def exact(items: Sequence[Item], format: str) -> list[bytes]:
    """One pattern an item, a capturing group in that of each directive. To be compiled with DOTALL and matched
    against a line without its newline. FormatError where nothing tells where a value ends."""
    patterns = []
    for index, item in enumerate(items):
        if isinstance(item, bytes):
            patterns.append(re.escape(item))
        elif item.kind.shape is Shape.CLOSED:
            patterns.append(b"(" + _closed(item) + b")")
        elif _is_quoted(items, index):
            patterns.append(_quoted(items, index, item))
        else:
            patterns.append(_open(items, index, item, format))
    return patterns


def fast(items: Sequence[Item], wanted: Collection[int]) -> bytes | None:
    """A pattern for whole chunks: it matches most lines from begin to newline. Capturing groups for the items whose
    indices are `wanted`, in their order (times without brackets), and at last one for any other line, as a whole.

    A line that it matches `exact` matches with the same values: each of its value patterns is a part of that of
    `exact` and holds no byte with which the next literal begins, so that a value ends at the first possible place
    here too. But it may run on into the next line; then there are fewer rows than newlines.
    None where a format has a directive that cannot be treated so.
    """
    line = []
    for index, item in enumerate(items):
        if isinstance(item, bytes):
            line.append(re.escape(item))
            continue
        pattern = _fast_value(items, index, item)
        if pattern is None or (item.time and index not in wanted):  # nobody tests the days of a second time
            return None
        group = (b"(" if index in wanted else b"(?:") + pattern + b")"
        line.append(rb"\[" + group + rb"\]" if item.time else group)
    return b"".join(line) + rb"[ \t\r]*+\n|(.*+\n)"


def _fast_value(items: Sequence[Item], index: int, item: Directive) -> bytes | None:
    following = items[index + 1] if index + 1 < len(items) else b""
    if item.time:
        return _FAST_TIME if item.time.plain else None
    if item.kind.shape is Shape.CLOSED:
        return _FAST_IPV4 if item.code.endswith(("a", "A")) else _closed(item)
    if item.kind.shape is Shape.QUERY or not isinstance(following, bytes) or not following:
        return None
    if _is_quoted(items, index):
        return _FAST_QUOTED if item.code != "u" else rb'(?!")' + _FAST_QUOTED
    many = b"*+" if item.kind.shape is Shape.TEXT else b"++"
    return b"[^" + re.escape(following[:1]) + _EXCLUDED[item.kind.shape] + b"]" + many


def _closed(item: Directive) -> bytes:
    return item.kind.pattern + (b"|-" if item.kind.missing or item.conditional else b"")


def _is_between_blanks(items: Sequence[Item], index: int) -> bool:
    """Whether a word stands where only a blank can begin and end it: so no byte is looked at for two terminators."""
    item, before, *after = items[index], items[index - 1], *items[index + 1 : index + 2]
    if not isinstance(item, Directive) or item.kind.shape not in (Shape.WORD, Shape.HOST):
        return False
    return all(isinstance(one, bytes) and one[:1].isspace() for one in (before, *after))


def _is_quoted(items: Sequence[Item], index: int) -> bool:
    """Whether quotes stand around the directive, or around it and its neighbour in "%U%q"."""
    before = index - 1 - _is_pair(items, index - 1)
    after = index + 1 + _is_pair(items, index)
    if before < 0 or after >= len(items):
        return False
    left, right = items[before], items[after]
    return isinstance(left, bytes) and left.endswith(b'"') and isinstance(right, bytes) and right.startswith(b'"')


def _is_pair(items: Sequence[Item], index: int) -> bool:
    """Whether path and query stand side by side from here."""
    pair = items[max(index, 0) : index + 2]
    return [item.code for item in pair if isinstance(item, Directive)] == ["U", "q"]


def _quoted(items: Sequence[Item], index: int, item: Directive) -> bytes:
    if item.kind.shape is Shape.QUERY:
        return rb"((?:\?" + _QUOTED + rb")?|-)"
    if _is_pair(items, index):
        return rb'([^"\\?]*+(?:\\.[^"\\?]*+)*+)'
    if item.code == "u":
        # An empty user name is logged as two quotes, inside those of the format.
        return rb'(""(?=")|' + _QUOTED + rb")"
    return b"(" + _QUOTED + b")"


def _open(items: Sequence[Item], index: int, item: Directive, format: str) -> bytes:
    any_byte, shape = _ANY[item.kind.shape], item.kind.shape
    if shape is Shape.QUERY:
        return rb"(?>((?:\?.*?)??)(?=" + _terminator(items, index, format) + rb"))"
    if _is_pair(items, index):
        return rb"(?>([^?]*?)(?=\?|" + _terminator(items, index + 1, format) + rb"))"
    many = rb"*?" if shape is Shape.TEXT else rb"+?"
    return b"(?>(" + any_byte + many + rb")(?=" + _terminator(items, index, format) + rb"))"


def _terminator(items: Sequence[Item], index: int, format: str) -> bytes:
    """What must stand after the item: literals, closed directives and words between blanks, up to the next directive
    that may hold anything."""
    patterns = []
    for place, item in enumerate(items[index + 1 :], index + 1):
        if isinstance(item, bytes):
            patterns.append(re.escape(item))
        elif item.kind.shape is Shape.CLOSED:
            patterns.append(b"(?:" + _closed(item) + b")")
        elif _is_between_blanks(items, place) and not _is_quoted(items, place):
            patterns.append(_ANY[item.kind.shape] + b"++")
        else:
            break
    else:
        patterns.append(rb"\Z")
    if not patterns:
        item, following = items[index], items[index + 1]
        assert isinstance(item, Directive)
        assert isinstance(following, Directive)
        reason = f"nothing stands between {item.text!r} and {following.text!r} to tell them apart"
        raise FormatError(reason, format, following.position)
    return b"".join(patterns)
