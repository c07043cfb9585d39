"""What a day is: of 23, 24 and 25 hours, of late lines and of wrong clocks, whatever the locale; live as daily."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cli_helpers import BROWSER, PIPELOG, environment
from counting_helpers import by_definition

from pipelog.backends.keys import Keys
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.counting.rules import Rules
from pipelog.daily import count_files
from pipelog.model import Tally
from pipelog.testing import servers

BERLIN = Rules(timezone="Europe/Berlin")
STEP = timedelta(minutes=10)


def line(time: datetime, page: str = "/a") -> bytes:
    return f'h - - [{time:%d/%b/%Y:%H:%M:%S %z}] "GET {page} HTTP/1.1" 200 5 "-" "{BROWSER}"\n'.encode()


def counted_live(log: bytes, state: Path, zone: str) -> Counter[tuple[object, ...]]:
    """What stands in the backend after the log came through a pipe: every coordinate but the leaders."""
    done = subprocess.run(
        [*PIPELOG, "count", "--flush", "0.2"],
        input=log,
        env=environment(state=str(state), timezone=zone),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    keys = Keys()
    with SQLiteBackend(state / "counters.db") as backend:
        found = {keys.coordinate(key): count for key, count in backend.scan("pipelog|")}
    return Counter({tuple(c): n for c, n in found.items() if c is not None})


def both_ways(log: bytes, tmp_path: Path, rules: Rules) -> Tally:
    """The tally of a log, the same by definition, daily and live."""
    (tmp_path / "access.log").write_bytes(log)
    tally = count_files([tmp_path / "access.log"], None, rules=rules).tally
    assert tally == by_definition(log, "combined", rules)
    assert Counter({tuple(c): n for c, n in tally.items()}) == counted_live(log, tmp_path / "state", rules.timezone)
    return tally


@pytest.mark.parametrize(
    ("day", "hours", "double", "absent"),
    [(date(2026, 3, 29), 23, None, "02"), (date(2026, 10, 25), 25, "02", None), (date(2026, 11, 22), 24, None, None)],
)
def test_the_hours_of_a_day_in_berlin(
    tmp_path: Path, day: date, hours: int, double: str | None, absent: str | None
) -> None:
    """One request each ten minutes of three days, stamped in UTC, as a server there has its clock."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    log = b"".join(line(begin + n * STEP) for n in range(3 * 24 * 6))
    tally = both_ways(log, tmp_path, BERLIN)
    of_day = {c: n for c, n in tally.items() if c.day == day}
    assert sum(n for c, n in of_day.items() if c.dimension == "requests") == hours * 6
    assert sum(n for c, n in of_day.items() if c.dimension == "views") == hours * 6
    minutes = Counter({c.value: n for c, n in of_day.items() if c.dimension == "minute"})
    expected = {
        f"{hour:02}:{minute:02}": 2 if f"{hour:02}" == double else 1
        for hour in range(24)
        for minute in range(0, 60, 10)
        if f"{hour:02}" != absent
    }
    assert minutes == expected


def test_late_lines_and_wrong_clocks_count_in_the_day_of_their_stamp(tmp_path: Path) -> None:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    stamps = [today, today - timedelta(days=1), today, today - timedelta(days=200), today + timedelta(days=200)]
    tally = both_ways(b"".join(map(line, stamps)), tmp_path, Rules())
    views = {c.day: n for c, n in tally.items() if c.dimension == "views"}
    assert views == Counter(stamp.date() for stamp in stamps)


# A program in another language than English, in the most hostile of ways: also asked through the C library.
_ELSEWHERE = """
import locale, sys, time
from datetime import date
locale.setlocale(locale.LC_ALL, "")
assert time.strftime("%b", (2026, 5, 22, 0, 0, 0, 0, 0, 0)) != "May", "the locale is none"
from pipelog.counting.rules import Rules
from pipelog.daily import count_files
tally = count_files([sys.argv[1]], None).tally
tally |= count_files([sys.argv[2]], None, format='%{%d/%b/%Y %H:%M:%S}t "%r" %>s').tally
print(sorted({(str(c.day), c.value) for c in tally if c.dimension == "minute"}))
"""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def test_months_are_english_whatever_the_locale(tmp_path: Path) -> None:
    localedef = shutil.which("localedef") or servers.require("localedef")
    made = subprocess.run(
        [localedef, "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")], capture_output=True, check=False
    )
    if not (tmp_path / "de_DE.UTF-8" / "LC_TIME").exists():
        servers.missing(f"localedef makes no locale: {made.stderr!r}")
    clf, own = tmp_path / "clf.log", tmp_path / "own.log"
    clf.write_text(
        "".join(f'h - - [22/{m}/2026:10:11:12 +0000] "GET / HTTP/1.1" 200 5 "-" "{BROWSER}"\n' for m in MONTHS)
    )
    own.write_text("".join(f'22/{m}/2025 09:08:07 "GET / HTTP/1.1" 200\n' for m in MONTHS))
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, str(clf), str(own)],
        env=os.environ | {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    days = [
        (f"{year}-{month:02}-22", minute)
        for year, minute in ((2025, "09:08"), (2026, "10:11"))
        for month in range(1, 13)
    ]
    assert done.stdout.strip() == str(days)
