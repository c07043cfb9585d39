"""What the tests of the counting share: the tally of a log by the definition, against which the fast way is held."""

from __future__ import annotations

from collections import Counter

from pipelog.counting.rules import Rules
from pipelog.counting.tally import tells_agent
from pipelog.counting.views import Judge
from pipelog.errors import LineError
from pipelog.model import Coordinate, Tally
from pipelog.parsing.logformat import LogFormat


def by_definition(log: bytes, format: str, rules: Rules | None = None) -> Tally:
    """Each line parsed exactly and judged by itself, and the counts added up."""
    parsed, judge, sums = LogFormat(format), Judge(rules or Rules()), Counter[Coordinate]()
    for line in log.split(b"\n"):
        try:
            record = parsed.parse(line)
        except LineError:
            continue
        for coordinate, count in judge.coordinates(record, has_agent=tells_agent(parsed)):
            sums[coordinate] += count
    return dict(sums)
