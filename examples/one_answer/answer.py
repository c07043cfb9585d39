"""Is traffic down? Asks pipelog, and writes the answer as a page.

    python examples/one_answer/answer.py FOLDER        # writes FOLDER/index.html and FOLDER/answer.json

Today's views up to the last full minute are compared with those of the same weekday a week before, up to the same
minute. What pipelog says is taken for nothing until it was checked: when the command fails, takes too long, says
something else than it should, or the counting has stopped, the answer is that nobody knows, and since when.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from math import sqrt
from pathlib import Path
from string import Template
from typing import Any

from pipelog import config
from pipelog.errors import SettingsError

TEMPLATE = Path(__file__).with_name("answer.html")
PIPELOG = [sys.executable, "-P", "-m", "pipelog"]
PATIENCE = 60.0  #: seconds for one command
STALE = timedelta(minutes=15)  #: the intake may be silent so long: on weekdays there are views
FEWEST = 30  #: views a week before, below which nothing can be said
_MINUTE = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Unknown(Exception):
    """Why there is no answer: a sentence for the page."""


@dataclass(frozen=True)
class Answer:
    """What the page says."""

    word: str  #: "Yes", "No" or "Unknown"
    reason: str
    as_of: str | None  #: ISO time of the data; where nothing is known now, of the last that were good


def main() -> int:
    """Write the page; 0 when there is an answer, 1 when it says that nobody knows."""
    parser = argparse.ArgumentParser(description="Writes the page that says whether traffic is down.")
    parser.add_argument("folder", type=Path, help="where index.html and answer.json are written")
    parser.add_argument("--site", default="", help="the site, where pipelog counts several")
    parser.add_argument("--pipelog", default=shlex.join(PIPELOG), help="how pipelog is called")
    options = parser.parse_args()
    answer = refresh(options.folder, shlex.split(options.pipelog), options.site)
    print(f"{answer.word}: {answer.reason}")
    return int(answer.word == "Unknown")


def refresh(folder: Path, command: list[str], site: str = "", now: datetime | None = None) -> Answer:
    """Ask, and write the page whatever comes of it."""
    try:
        answer = ask(command, site, now or _now())
    except Unknown as reason:
        answer = Answer("Unknown", str(reason), _last_good(folder))
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "answer.json", json.dumps(asdict(answer)))
    _write(folder / "index.html", page(answer))
    return answer


def ask(command: list[str], site: str, now: datetime) -> Answer:
    """The answer at this moment. Raises `Unknown`."""
    committed = _last_commit(_run(command, "status"), now)
    before = now.date() - timedelta(days=7)
    minute = f"{now:%H:%M}"
    there = _views(_run(command, "export", now.date().isoformat()), now.date(), site, minute)
    then = _views(_run(command, "export", before.isoformat()), before, site, minute)
    if then < FEWEST:
        raise Unknown(f"A week ago there were {then:,} views by {minute}, too few to compare with.")
    change = round(100 * (there - then) / then)
    # Two counts of the same thing differ by chance, by about the root of their sum; twice that is no chance any more.
    down = then - there > max(then / 10, 2 * sqrt(then + there))
    words = f"{abs(change)} % {'less' if change < 0 else 'more'} than" if change else "as many as"
    reason = f"{there:,} views today by {minute}, {words} last {before:%A}: {then:,}."
    return Answer("Yes" if down else "No", reason, committed.isoformat(timespec="seconds"))


def _now() -> datetime:
    """The time in the zone that pipelog counts in: its minutes are compared with this clock."""
    try:
        return datetime.now(config.load().counting.zone())
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise Unknown("The counter cannot be asked.") from None


def page(answer: Answer) -> str:
    """The page."""
    when = f"{_time(answer.as_of):%A, %d %B, %H:%M}" if answer.as_of else "never"
    said = f"Last good data: {when}" if answer.word == "Unknown" else f"As of {when}"
    texts = {"word": answer.word, "kind": answer.word.lower(), "reason": answer.reason, "when": said}
    return Template(TEMPLATE.read_text("utf-8")).substitute({name: html.escape(text) for name, text in texts.items()})


def _run(command: list[str], *arguments: str) -> Any:
    """What a command of pipelog says, as JSON."""
    try:
        done = subprocess.run(
            [*command, *arguments, "--output", "json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unknown("The counter takes too long to answer.") from None
    except OSError:
        raise Unknown("The counter cannot be asked.") from None
    sys.stderr.buffer.write(done.stderr)  # to cron's mail; a page for everybody does not tell what paths there are
    if done.returncode and arguments[0] != "status":  # which says 1 and why, in JSON
        raise Unknown("The counter does not answer.")
    try:
        return json.loads(done.stdout)
    except (ValueError, RecursionError):
        raise Unknown("The counter says something that is no answer.") from None


def _last_commit(status: Any, now: datetime) -> datetime:
    """When the intake has last counted. `Unknown` where that is too long ago."""
    if status == {}:
        raise Unknown("Nothing is counted yet.")
    try:
        committed = datetime.fromtimestamp(float(status["last_commit"]), now.tzinfo)
        running, left, healing = bool(status["running"]), float(status["behind_seconds"]), bool(status["healing"])
    except (TypeError, KeyError, ValueError, OverflowError, OSError):
        raise Unknown("The counter says something that is no answer.") from None
    if not running:
        raise Unknown("The counting has stopped.")
    if healing or left > STALE.total_seconds():
        raise Unknown("The counting has fallen behind.")
    if not -STALE < now - committed < STALE:
        raise Unknown("Nothing has been counted for a while.")
    return committed


def _views(rows: Any, day: date, site: str, minute: str) -> int:
    """The views of a day before a minute. `Unknown` for rows that cannot be."""
    views = 0
    try:
        for row in rows:
            if row["dimension"] == "minute" and row["page"] == "" and row["site"] == site:
                at, count = row["value"], row["count"]
                if row["day"] != day.isoformat() or not _MINUTE.fullmatch(at) or type(count) is not int or count < 0:
                    raise ValueError
                views += count if at < minute else 0
    except (TypeError, KeyError, ValueError):
        raise Unknown("The counter says something that is no answer.") from None
    return views


def _last_good(folder: Path) -> str | None:
    """The time of the data of the last page that had an answer, or that one told of."""
    try:
        said = json.loads((folder / "answer.json").read_text("utf-8"))["as_of"]
        return _time(said).isoformat()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _write(path: Path, text: str) -> None:
    """Replace a file, whole: who reads it gets the old one or the new one."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    sys.exit(main())
