"""The time of the machine, which is httpd's and the logger's, inside of an application that has set its own.

Django makes `TIME_ZONE` the zone of its whole process ($TZ). But a day is a day as httpd stamps it: with httpd in UTC
and Django in Berlin, the first two hours of a day in summer would have no hits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, tzinfo
from functools import cache

from dateutil import tz

from pipelog.counting.rules import Rules

LOCALTIME = "/etc/localtime"


@contextmanager
def machine_time() -> Iterator[None]:
    """Within it this process has the zone that it was started with. For commands: the zone is that of all threads."""
    with kept_time():
        _set(_started_with())
        yield


@contextmanager
def kept_time() -> Iterator[None]:
    """After it this process has the zone of before."""
    before = os.environ.get("TZ")
    try:
        yield
    finally:
        _set(before)


def now(rules: Rules) -> datetime:
    """The time by these rules: in their zone, else in the machine's, whatever zone this process has."""
    return datetime.now(rules.zone() or machine_zone())


def today(rules: Rules) -> date:
    """The day of `now`."""
    return now(rules).date()


@cache
def machine_zone() -> tzinfo:
    """The zone that this process was started with."""
    name = _started_with()
    zone = tz.gettz(name) if name else tz.tzfile(LOCALTIME) if os.path.exists(LOCALTIME) else None
    return zone or tz.UTC


def _started_with() -> str | None:
    """$TZ as it was at the start, whatever has been set since (proc(5): the initial environment)."""
    try:
        with open("/proc/self/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return None
    return next((os.fsdecode(text[3:]) for text in variables if text.startswith(b"TZ=")), None)


def _set(zone: str | None) -> None:
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()
