"""pipelog at work, to be watched: a logger counts, this other process reads the numbers while it does.

    python examples/demo.py [--seconds 10]

The sample log's first day is played as yesterday, its second as now, line by line as httpd writes them. No server, no
settings but the site's name; everything stands in a temporary folder that is gone afterwards.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import pipelog
from pipelog import config
from pipelog.shortcuts import hits_of

SAMPLE = Path(__file__).with_name("press.log")
SITE = "www.example.org"
WATCHED = ("/", "/releases/", "/releases/1/", "/releases/2/")
PIPELOG = [sys.executable, "-P", "-m", "pipelog"]
_STAMP = re.compile(rb"\[(\d\d)/\w+/\d{4}:([\d:]+) [+-]\d{4}\]")


def main() -> int:
    """The demo; 0 when everything was counted."""
    options = argparse.ArgumentParser(description="pipelog at work on a sample log")
    options.add_argument("--seconds", type=float, default=10.0, help="how long the live part takes (10)")
    seconds = options.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="pipelog-demo-") as folder:
        _settle(folder)
        yesterday, today = _days(SAMPLE.read_bytes().splitlines(keepends=True))
        say(f"A logger, as httpd starts it:  … | {shlex.join(['python', *PIPELOG[1:]])}")
        say(f"It gets {len(yesterday)} lines of yesterday at once, then {len(today)} of today within {seconds:g} s.")
        say("This other process asks pipelog.hits_today(page) once a second:\n")
        logger = subprocess.Popen(PIPELOG, stdin=subprocess.PIPE, bufsize=0)
        assert logger.stdin
        feeder = threading.Thread(target=_feed, args=(logger.stdin, yesterday, today, seconds))
        feeder.start()
        code = _watch(logger)
        feeder.join()
        say(f"\nThe pipe is closed, all of it is counted, and the logger has ended ({code}).")
        for title, command in (
            ("Each night cron writes the day before into the history", ["rollup"]),
            ("Views of pages, today and ever", ["hits", *WATCHED]),
            ("Yesterday's first five pages, from the history", ["top", "yesterday", "-n", "5"]),
            ("Where its readers came from", ["top", "yesterday", "--by", "referrer", "-n", "5"]),
            ("Programs, which are counted apart", ["top", "yesterday", "--by", "bot", "-n", "5"]),
        ):
            code = code or _show(title, command)
        say("\nOne page, all days:  Hits.breakdown('/releases/1/', 'referrer')")
        for referrer, views in hits_of(config.load()).breakdown("/releases/1/", "referrer").items():
            say(f"  {views:4}  {referrer}")
    return code


def say(text: str) -> None:
    """A line, at once."""
    print(text, flush=True)


def _settle(folder: str) -> None:
    """Settings of this process and of those it starts: none of this machine's own."""
    for name in [name for name in os.environ if name.startswith("PIPELOG_")]:
        del os.environ[name]
    os.environ |= {"PIPELOG_CONFIG": os.devnull, "PIPELOG_STATE": folder, "PIPELOG_SITE": SITE}
    pipelog.configure()


def _days(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The sample's first day stamped as yesterday, and its second, which gets its stamps when it is written."""
    yesterday = (datetime.now().astimezone() - timedelta(days=1)).strftime("%d/%b/%Y")
    zone = datetime.now().astimezone().strftime("%z")
    found = [_STAMP.search(line) for line in lines]
    first = next(stamp[1] for stamp in found if stamp)
    before, after = [], []
    for line, stamp in zip(lines, found, strict=True):
        assert stamp
        if stamp[1] == first:
            before.append(line.replace(stamp[0], f"[{yesterday}:{stamp[2].decode()} {zone}]".encode(), 1))
        else:
            after.append(line)
    return before, after


def _feed(pipe: IO[bytes], yesterday: list[bytes], today: list[bytes], seconds: float) -> None:
    """Write as httpd does: each line with one write. Then close the pipe."""
    with pipe:
        for line in yesterday:
            pipe.write(line)
        for line in today:
            now = datetime.now().astimezone().strftime("[%d/%b/%Y:%H:%M:%S %z]").encode()
            pipe.write(_STAMP.sub(now, line, count=1))
            time.sleep(seconds / len(today))


def _watch(logger: subprocess.Popen[bytes]) -> int:
    """A row of live numbers each second, and a last one when the logger has ended; its exit code."""
    say("  ".join(["time    ", *(f"{page:>6}" for page in WATCHED)]))
    code = None
    while code is None:
        try:
            code = logger.wait(1.0)
        except subprocess.TimeoutExpired:
            pass
        numbers = [f"{pipelog.hits_today(page):{max(6, len(page))}}" for page in WATCHED]
        say("  ".join([f"{datetime.now():%H:%M:%S}", *numbers]))
    return code


def _show(title: str, command: list[str]) -> int:
    say(f"\n{title}:  python -m pipelog {shlex.join(command)}")
    output = [] if command[0] == "rollup" else ["--output", "table"]
    done = subprocess.run([*PIPELOG, *command, *output], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in done.stdout.splitlines():
        say(f"  {line}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
