"""One frame of `pipelog top --live`: what is known, and how it looks in so many columns and rows.

Names come from strangers: they go through `printable` and into `Text`, never into rich's markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipelog.printable import printable

TITLES = {
    "views": "pages",
    "referrer": "sources",
    "keyword": "keywords",
    "bot": "bots",
    "campaign": "campaigns",
    "missing": "missing",
    "status": "status",
}
KEYS = dict(zip("prkbcmt", TITLES, strict=True))  #: key -> what it ranks
_KEYS = [
    *((key, TITLES[by], by) for key, by in KEYS.items()),
    ("Tab", "next", ""),
    ("s", "site", ""),
    ("q", "quit", ""),
]
_BLOCKS = " ▁▂▃▄▅▆▇█"
_BAR = "▏▎▍▌▋▊▉█"
_ROWS = 12  #: of a ranking where the height is free
_WIDE = 84  #: columns from which sources and bots stand beside the ranking
_DIM, _HEAD, _CURVE, _BAD, _GOOD = "grey54", "bold", "cyan", "bold red", "green"


@dataclass
class Frame:
    """What is shown."""

    now: datetime
    by: str = "views"  #: what is ranked
    site: str = ""
    sites: list[str] = field(default_factory=list)
    day: date | None = None
    today: dict[str, int] = field(default_factory=dict)  #: "HH:MM" -> views
    yesterday: dict[str, int] = field(default_factory=dict)
    tops: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    health: dict[str, Any] | None = None  #: `pipelog status` in numbers
    trouble: str = ""  #: why the stores did not answer
    answered: datetime | None = None  #: when they last did


def draw(frame: Frame, width: int, height: int | None) -> RenderableType:
    """The frame in `width` columns; as high as it needs, or `height` rows."""
    foot: list[RenderableType] = [_health(frame)]
    if height is not None:
        foot.append(_keys(frame))
        if height >= 16:
            foot.insert(0, Text())
    head: list[RenderableType] = [_title(frame, width), *_trouble(frame)]
    free = None if height is None else height - len(head) - len(foot)
    curve = 0 if free is not None and free < 8 else 2 if free is not None and free < 16 else 4
    head.append(_sums(frame))
    if curve:
        head += [Text(), *_curve(frame, width, curve), Text()]
    rows = _ROWS if height is None else max(height - len(head) - len(foot), 0)
    body = _body(frame, width, rows)
    if height is None:
        return Group(*head, body, Text(), *foot)
    # The body's own height is not known before it is drawn; a grid cell of the rest keeps the foot at the bottom.
    return Group(*head, _Filled(body, rows), *foot)


class _Filled:
    """Something in exactly so many rows."""

    def __init__(self, inner: RenderableType, rows: int) -> None:
        self._inner, self._rows = inner, rows

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from rich.segment import Segment

        lines = console.render_lines(self._inner, options.update(height=None), pad=False)[: self._rows]
        for line in [*lines, *[[]] * (self._rows - len(lines))]:
            yield from line
            yield Segment.line()


def curve_of(counts: Sequence[int], rows: int) -> list[str]:
    """Numbers as columns of blocks, `rows` lines high, top line first. What is not 0 is seen."""
    most = max(counts, default=0) or 1
    steps = [-(-count * rows * 8 // most) for count in counts]  # rounded up
    return ["".join(_BLOCKS[min(max(step - 8 * row, 0), 8)] for step in steps) for row in reversed(range(rows))]


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _keys(frame: Frame) -> Text:
    text = Text()
    for key, words, by in _KEYS:
        text.append("  " if text else "").append(key, _HEAD).append(f" {words}", _CURVE if by == frame.by else _DIM)
    return _line(text)


def _title(frame: Frame, width: int) -> Text:
    site = printable(frame.site) or "this site"
    if len(frame.sites) > 1 and frame.site in frame.sites:
        site += f"  ({frame.sites.index(frame.site) + 1} of {len(frame.sites)})"
    clock = f"{frame.now:%a %d %b  %H:%M:%S}"
    left = Text.assemble((" pipelog ", "reverse bold"), " ", (site, _HEAD))
    left.truncate(max(width - len(clock) - 1, 0), overflow="ellipsis", pad=True)
    return _line(left.append(" ").append(clock, _DIM))


def _trouble(frame: Frame) -> list[Text]:
    if not frame.trouble:
        return []
    since = f"as of {frame.answered:%H:%M:%S}" if frame.answered else "nothing is known yet"
    return [_line(Text.assemble(("No answer: ", _BAD), (printable(frame.trouble), "red"), f" ({since})"))]


def _sums(frame: Frame) -> Text:
    if frame.day is None:
        return _line(Text("views today: not known yet", _DIM))
    minute = f"{frame.now:%H:%M}"
    total = sum(frame.today.values())
    before = sum(count for at, count in frame.yesterday.items() if at < minute)
    finished = sum(count for at, count in frame.today.items() if at < minute)
    text = Text.assemble((f"{total:,}", _HEAD), " views today" if total != 1 else " view today")
    if before:
        change = round(100 * (finished - before) / before)
        arrow, style = ("▲", _GOOD) if change > 0 else ("▼", "yellow") if change < 0 else ("=", _DIM)
        text.append("   ").append(f"{arrow} {abs(change):,} %", style)
        text.append(f"  yesterday by {minute}: {before:,}", _DIM)
    elif frame.day and not frame.trouble:
        text.append("   yesterday had none by now" if frame.yesterday else "   no views yesterday", _DIM)
    return _line(text)


def _curve(frame: Frame, width: int, rows: int) -> list[Text]:
    """Views a minute up to now, with yesterday's in one line below where there is room."""
    now = 60 * frame.now.hour + frame.now.minute
    shown = range(max(now - width + 1, 0), now + 1)
    counts = [frame.today.get(f"{at // 60:02}:{at % 60:02}", 0) for at in shown]
    lines = [_line(Text(line, _CURVE)) for line in curve_of(counts, rows)]
    begin, most = f"{shown[0] // 60:02}:{shown[0] % 60:02}", f"views a minute, at most {max(counts):,}"
    axis = f"{begin}  {most}"
    end = f"{frame.now:%H:%M}"
    if len(counts) >= len(axis) + 2 + len(end):
        axis = axis.ljust(len(counts) - len(end)) + end
    return [*lines, _line(Text(axis, _DIM))]


def _body(frame: Frame, width: int, rows: int) -> RenderableType:
    if not frame.day and not frame.trouble:
        return Text()
    if not frame.sites and not frame.today and not frame.tops.get(frame.by):
        return Text("" if frame.trouble else "Nothing is counted yet. `pipelog check` says what is missing.", _DIM)
    if width < _WIDE:
        return _ranking(frame, frame.by, rows, width)
    side = max(width // 3, 28)
    main = width - side - 3
    beside = [by for by in ("referrer", "bot", "views") if by != frame.by][:2]
    half = rows // 2
    right = Group(
        _Filled(_ranking(frame, beside[0], half - 1, side, bars=False), half),
        _ranking(frame, beside[1], rows - half, side, bars=False),
    )
    grid = Table.grid(padding=0)
    grid.add_column(width=main)
    grid.add_column(width=side + 3)
    grid.add_row(_ranking(frame, frame.by, rows, main), Padding(right, (0, 0, 0, 3)))
    return grid


def _ranking(frame: Frame, by: str, rows: int, width: int, *, bars: bool = True) -> RenderableType:
    """A heading and the leaders, `rows` lines in all."""
    found = frame.tops.get(by)
    heading = _line(Text(TITLES[by], _HEAD))
    if not found:
        return Group(heading, _line(Text("…" if found is None else "none today", _DIM)))
    found = found[: max(rows - 1, 0)]
    if not found:
        return heading
    digits = max(len(f"{count:,}") for _, count in found)
    bar = min(width // 4, 24) if bars and width >= 40 else 0
    lines = [heading]
    for name, count in found:
        text = Text(f"{count:>{digits},}  ", _CURVE)
        if bar:
            text.append(_bar(count, found[0][1], bar), _CURVE).append(" ")
        lines.append(_line(text.append(printable(name), "default")))
    return Group(*lines)


def _bar(count: int, most: int, width: int) -> str:
    eighths = max(count * width * 8 // max(most, 1), 1)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BAR[rest - 1] if rest else "")).ljust(width)


def _health(frame: Frame) -> Text:
    """The intake in one line; red where lines wait and nobody counts them."""
    found = frame.health
    if found is None:
        return _line(Text("intake: nothing is counted yet", _DIM))
    ago = max(frame.now.timestamp() - found["last_commit"], 0.0)
    stuck = found["behind_bytes"] and not found["running"]
    state = (
        "no worker is running" if not found["running"] else "filling a store again" if found["healing"] else "running"
    )
    text = Text("intake: ", _DIM).append(state, _BAD if stuck else _GOOD if found["running"] else "yellow")
    text.append(f"  {found['lines']:,} lines, last {_ago(ago)} ago", _DIM)
    if found["behind_bytes"]:
        text.append(f"  behind {found['behind_bytes']:,} bytes, {found['behind_seconds']:,.1f} s", "yellow")
    for name, word in (
        ("bad", "bad"),
        ("too_long", "too long"),
        ("unwritten", "not kept"),
        ("quarantined", "put aside"),
    ):
        if found.get(name):
            text.append(f"  {found[name]:,} {word}", "yellow")
    if found["restarts"]:
        text.append(f"  {found['restarts']:,} restarts", "yellow")
    return _line(text)


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
