"""The words of the house as types: record, coordinate, tally, daily count."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One parsed log line. A field is None where the line has "-" or the format does not hold it.

    Text is UTF-8 with undecodable bytes kept by `surrogateescape`; httpd's log escapes are undone.
    """

    time: datetime | None  #: start of the request; aware where the line gives an offset
    site: str | None  #: virtual host, from %v or %V
    host: str | None  #: the client, from %h or %a
    user: str | None  #: from %u; the client's own words, even on a 401
    method: str | None
    target: str | None  #: request target as sent: path and query, absolute URI, "*" or authority
    protocol: str | None
    status: int | None  #: final status
    size: int | None  #: bytes sent, from %O, %b or %B; "-" is 0
    referrer: str | None
    agent: str | None
    fields: Mapping[str, Any]  #: directive as the format writes it ("%>s", "%{Referer}i") -> value


class Coordinate(NamedTuple):
    """What is counted: `page` is "" for a number of the whole site, `value` is "" where a dimension has none."""

    day: date
    site: str
    page: str
    dimension: str
    value: str


#: A Coordinate, or a tuple equal to one, made in a third of the time.
PlainCoordinate = tuple[date, str, str, str, str]

#: Coordinate -> count. Tallies of parts add up to the tally of the whole.
Tally = dict[Coordinate, int]


MOST = 2**53 - 1
"""The highest count that is stored at once: JSON and spreadsheets hold no higher one, and 1,024 of them fit into the 64
bits of a store. Only lines that lie about their sizes come so far."""


class DailyCount(NamedTuple):
    """A row of history: one coordinate and its count."""

    day: date
    site: str
    page: str
    dimension: str
    value: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls on a row


class DailySketch(NamedTuple):
    """Who viewed a page on one day, page "" the whole site: a `pipelog.counting.sketches.Sketch`, encoded.

    Sketches of the same day and key can be united; nothing of two days can be added up.
    """

    day: date
    site: str
    page: str
    key: bytes  #: four bytes that tell under which key of the day the people were told apart
    sketch: bytes


class DayInfo(NamedTuple):
    """What a sink knows of one finished day of one source."""

    day: date
    source: str
    lines: int  #: log lines that the day was made from
    written: datetime  #: when, aware
