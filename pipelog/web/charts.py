"""Charts as inline SVG: drawn by pygal, then rid of all that a strict content policy forbids and of what stands twice.

What is drawn is numbers and our own labels, never a stranger's word. Colours are the style sheet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import pygal
from markupsafe import Markup

_HEIGHT = 260
_LEVELS = 40  # heights of a small chart: finer ones nobody sees, and equal charts are drawn once
_KEPT = frozenset(("viewBox", "class", "d", "x", "y", "width", "height", "transform"))
_COMMON = {
    "js": [],
    "css": [],
    "show_legend": False,
    "disable_xml_declaration": True,
    "no_data_text": "",
    "truncate_label": -1,
    "spacing": 6,
    "margin": 4,
}

Values = Sequence[int]


def curves(series: Sequence[Values], labels: Sequence[str], label: str, *, step: int, width: int = 900) -> Markup:
    """Lines over the same axis, the first of them filled; `label` tells in words what there is to see.

    `labels`: of the places on the axis, each `step`th of which is written there.
    """
    return _drawn("Line", tuple(map(tuple, series)), tuple(labels), label, step, width)


def bars(values: Values, labels: Sequence[str], label: str, *, step: int, width: int = 900) -> Markup:
    """A bar for each value."""
    return _drawn("Bar", (tuple(values),), tuple(labels), label, step, width)


def sparkline(values: Values) -> Markup:
    """A line without axes, hidden from screen readers: the numbers stand beside it."""
    most = max(values, default=0) or 1
    return _spark(tuple(round(value * _LEVELS / most) for value in values))


def rough(most: int) -> int:
    """The end of an axis: a number that reads well, and so does its half."""
    unit: int = 10 ** max(len(str(most)) - 2, 0)
    return next(
        2 * half * unit for half in (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 40, 50) if 2 * half * unit >= most
    )


@lru_cache(maxsize=128)
def _drawn(
    kind: str, series: tuple[tuple[int, ...], ...], labels: tuple[str, ...], label: str, step: int, width: int
) -> Markup:
    end = rough(max((max(values, default=0) for values in series), default=0))
    chart: Any = getattr(pygal, kind)(
        width=width,
        height=_HEIGHT,
        show_dots=False,
        range=(0, end),
        y_labels=(0, end // 2, end),
        value_formatter=lambda value: f"{int(value):,}",
        x_labels=list(labels),
        x_labels_major=list(labels[::step]),
        show_minor_x_labels=False,
        include_x_axis=True,
        **_COMMON,
    )
    for number, values in enumerate(series):
        chart.add("", list(values), fill=kind == "Line" and number == 0)
    return _markup(chart.render_tree(), label)


@lru_cache(maxsize=4_096)
def _spark(levels: tuple[int, ...]) -> Markup:
    chart: Any = pygal.Line(
        width=140,
        height=28,
        show_dots=False,
        range=(0, _LEVELS),
        show_x_labels=False,
        show_y_labels=False,
        show_y_guides=False,
        **{**_COMMON, "margin": 1, "spacing": 0},
    )
    chart.add("", list(levels), fill=True)
    tree = chart.render_tree()
    for plot in tree.iter():
        for axis in [child for child in plot if "axis" in child.get("class", "").split()]:
            plot.remove(axis)
    return _markup(tree, "")


def _markup(tree: ElementTree.Element, label: str) -> Markup:
    box = tree.get("viewBox", "")
    kind = f"chart w{box.split()[2]}" if label else "spark"
    svg = ElementTree.Element("svg", {"viewBox": box, "class": kind})
    svg.attrib.update({"role": "img", "aria-label": label} if label else {"aria-hidden": "true", "focusable": "false"})
    plot = next(part for part in tree.iter() if part.get("class") == "plot")
    svg.append(_plain(plot))
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def _plain(element: ElementTree.Element) -> ElementTree.Element:
    """An element without what acts, styles or repeats; the value of a bar is what a pointer shows of it."""
    made = ElementTree.Element(_tag(element), {k: v for k, v in element.attrib.items() if k in _KEPT and v})
    made.text = element.text
    told = {part.get("class"): part.text for part in element if _tag(part) == "desc"}
    if told.get("value"):
        title = ElementTree.SubElement(made, "title")
        title.text = " ".join(filter(None, (told.get("x_label"), told["value"])))
    for part in element:
        kinds = part.get("class", "").split()
        if (
            _tag(part) not in ("g", "path", "rect", "text")
            or "background" in kinds
            or (_tag(part) == "g" and not len(part))
        ):
            continue
        if _tag(part) == "path" and "reactive" in kinds and "nofill" not in kinds:
            made.extend(_area(part))
        else:
            made.append(_plain(part))
    return made


def _area(path: ElementTree.Element) -> list[ElementTree.Element]:
    """A filled line as the area below it, which ends where the values do, and the line alone.

    pygal draws one shape from the left to the right edge, whose outline would be drawn with it.
    """
    begin, _, rest = path.get("d", "").removeprefix("M").partition(" L")
    numbers = rest.split()[:-2]
    floor = begin.split()[1]
    area = f"M{begin} L{' '.join(numbers)} {numbers[-2]} {floor} Z"
    line = f"M{' '.join(numbers[:2])} L{' '.join(numbers[2:] or numbers)}"
    return [ElementTree.Element("path", {"class": kind, "d": d}) for kind, d in (("area", area), ("line", line))]


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]
