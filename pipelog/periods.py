"""Days as people write them: one, or several in a row."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import NamedTuple

from pipelog.errors import SettingsError

_AGO = re.compile(r"-(\d{1,5})d")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_DAY = timedelta(days=1)

MOST_DAYS = 3_660
"""Of a period that is looked at as a whole: ten years."""


class Period(NamedTuple):
    """The days from `since` to `until`, both included."""

    since: date
    until: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.until - self.since).days + 1

    def dates(self) -> list[date]:
        """Each of them, in order."""
        return [self.since + n * _DAY for n in range(self.days)]

    def __str__(self) -> str:
        return f"{self.since}" if self.since == self.until else f"{self.since}..{self.until}"


def dates(text: str, today: date) -> Period:
    """The days of `2026-11-22`, `today`, `yesterday`, `-7d`, `2026-11`, `2026-W47` or `A..B`. `SettingsError` else.

    `-7d` is the seven days before today; `A..B` is from the first day of A to the last one of B.
    """
    first, dots, last = text.partition("..")
    if dots and ".." not in last:
        found = Period(dates(first, today).since, dates(last, today).until)
        if found.days < 1:
            raise SettingsError(f"{text!r} ends before it begins")
        return found
    word = text.strip().lower()
    if word == "today":
        return Period(today, today)
    if word == "yesterday":
        return Period(today - _DAY, today - _DAY)
    try:
        if (ago := _AGO.fullmatch(word)) and int(ago[1]):
            return Period(today - int(ago[1]) * _DAY, today - _DAY)
        if month := _MONTH.fullmatch(word):
            from dateutil.relativedelta import relativedelta

            start = date(int(month[1]), int(month[2]), 1)
            return Period(start, start + relativedelta(day=31))
        if week := _WEEK.fullmatch(text.strip().upper()):
            start = date.fromisocalendar(int(week[1]), int(week[2]), 1)
            return Period(start, start + timedelta(days=6))
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
            return Period(date.fromisoformat(word), date.fromisoformat(word))
    except (ValueError, OverflowError) as error:
        raise SettingsError(f"{text!r} is no date: {error}") from error
    raise SettingsError(f"{text!r} is no date; write 2026-11-22, yesterday, -7d, 2026-11, 2026-W47 or A..B")
