"""`pipelog top --live`: the day as it comes, in a terminal. What is asked, when, and which key does what.

How it looks is in `pipelog.cli.live_frame`; the terminal itself is in `pipelog.cli.terminal`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

from pipelog.cli.live_frame import KEYS, Frame, draw
from pipelog.cli.status import numbers
from pipelog.cli.terminal import Terminal, console_of
from pipelog.config import Settings
from pipelog.errors import PipelogError
from pipelog.queries import RANKED, Hits
from pipelog.shortcuts import hits_of

_PAUSE = 2.0  #: seconds between two askings …
_SHARE = 5  #: … and at least so many times what the last one took: a day of many pages is not asked for all the time
_SLOW = 60.0  #: seconds for which what hardly changes (yesterday, the list of sites) is remembered
_BESIDE = ("views", "referrer", "bot")  #: two of them stand beside what is ranked
_MOST = 200  #: rows of a ranking; no terminal is higher


class Watch:
    """What is known of the day, asked again when it is due. A store that is down leaves the last answers and a word."""

    def __init__(
        self,
        settings: Settings,
        by: str,
        *,
        hits: Hits | None = None,
        now: Callable[[], datetime] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._hits = hits or hits_of(settings)
        self._now = now or partial(datetime.now, settings.counting.zone())
        self._clock = clock
        self._slow_due = 0.0
        self._chosen = bool(settings.counting.site)
        self.due = 0.0  #: by `clock`, when to ask again
        self.frame = Frame(now=self._now(), by=by, site=settings.counting.site)

    def ask(self) -> Frame:
        """Ask for everything that is shown."""
        began = self._clock()
        frame = self.frame
        frame.now = self._now()
        try:
            self._ask_stores(self._settings.counting.today())
            frame.answered, frame.trouble = frame.now, ""
        except PipelogError as error:
            frame.trouble = " ".join(str(error).split())
        try:
            frame.health = numbers(self._settings)
        except OSError:
            frame.health = None
        self.due = self._clock() + max(_PAUSE, _SHARE * (self._clock() - began))
        return frame

    def press(self, key: str) -> bool:
        """Do what a key says; False: leave."""
        frame = self.frame
        if key in ("q", "Q", "\x04"):
            return False
        if key == "s" and frame.sites:
            at = frame.sites.index(frame.site) + 1 if frame.site in frame.sites else 0
            frame.site = frame.sites[at % len(frame.sites)]
            self._chosen = True
            self._forget()
        elif key == "\t":
            self._rank(RANKED[(RANKED.index(frame.by) + 1) % len(RANKED)])
        elif key in KEYS:
            self._rank(KEYS[key])
        return True

    def _rank(self, by: str) -> None:
        self.frame.by = by
        if by not in self.frame.tops:  # what stood beside is known already
            self.due = 0.0

    def _forget(self) -> None:
        self.frame.tops, self.frame.today, self.frame.yesterday = {}, {}, {}
        self.due = self._slow_due = 0.0

    def _ask_stores(self, today: date) -> None:
        frame, hits = self.frame, self._hits
        if frame.day != today or self._clock() >= self._slow_due:
            frame.sites = hits.sites()
            if not self._chosen and frame.sites:  # no site is set: the first there is, rather than an empty screen
                frame.site = frame.site if frame.site in frame.sites else frame.sites[0]
            frame.yesterday = hits.per_minute(today - timedelta(days=1), site=frame.site)
            frame.day, self._slow_due = today, self._clock() + _SLOW
        frame.today = hits.per_minute(today, site=frame.site)
        wanted = dict.fromkeys((frame.by, *_BESIDE))
        frame.tops = {by: hits.top(_MOST, today, by, site=frame.site) for by in wanted}


def once(settings: Settings, by: str) -> int:
    """Print one frame, for scripts. 1 where the stores do not answer."""
    watch = Watch(settings, by)
    frame = watch.ask()
    console = console_of(sys.stdout)
    console.print(draw(frame, console.width, None))
    return int(bool(frame.trouble))


def run(settings: Settings, by: str) -> int:
    """Draw until somebody presses q."""
    watch = Watch(settings, by)
    with Terminal() as terminal:
        while True:
            if time.monotonic() >= watch.due:
                watch.ask()
            terminal.show(lambda width, height: draw(watch.frame, width, height))
            for key in terminal.keys(watch.due - time.monotonic()):
                if not watch.press(key):
                    return 0
