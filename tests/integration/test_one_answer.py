"""examples/one_answer: the real chain, one command, and every source that must not be believed."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import EXAMPLES, PIPELOG, environment, pipelog
from httpd_helpers import BROWSER, Httpd

from pipelog.testing import servers

HERE = EXAMPLES / "one_answer"
NOW = datetime(2026, 11, 25, 12, 0, 30)
GOOD = {"last_commit": NOW.timestamp() - 5, "running": True, "behind_seconds": 0.0, "healing": False}


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module("answer")


def rows(day: date, minutes: dict[str, Any], site: str = "") -> list[dict[str, Any]]:
    return [
        {"day": day.isoformat(), "site": site, "page": "", "dimension": "minute", "value": at, "count": count}
        for at, count in minutes.items()
    ]


def source(folder: Path, status: Any, there: Any, then: Any, code: int = 0) -> list[str]:
    """A command that says what pipelog would: each word that is given, JSON or not."""
    said = {"status": status, "2026-11-25": there, "2026-11-18": then}
    for name, what in said.items():
        (folder / name).write_text(what if isinstance(what, str) else json.dumps(what))
    script = folder / "said.sh"
    script.write_text(f'[ "$1" = export ] && shift\ncat "{folder}/$1"\nexit {code}\n')
    return ["sh", str(script)]


def today(minutes: dict[str, Any]) -> list[dict[str, Any]]:
    return rows(NOW.date(), minutes)


def before(minutes: dict[str, Any]) -> list[dict[str, Any]]:
    return rows(NOW.date() - timedelta(days=7), minutes)


@pytest.mark.parametrize(
    ("there", "then", "word", "reason"),
    [
        ({"09:00": 50}, {"09:00": 100}, "Yes", "50 views today by 12:00, 50 % less than last Wednesday: 100."),
        ({"09:00": 150}, {"09:00": 100}, "No", "50 % more than"),
        ({"09:00": 1_000}, {"09:00": 1_000}, "No", "as many as"),
        ({"09:00": 90}, {"09:00": 100}, "No", "10 % less"),  # which chance explains
        ({"09:00": 8_900}, {"09:00": 10_000}, "Yes", "11 % less"),
        ({"09:00": 9_100}, {"09:00": 10_000}, "No", "9 % less"),
        ({}, {"11:59": 30}, "Yes", "100 % less"),
        ({"09:00": 100, "12:00": 999}, {"09:00": 100, "12:00": 1, "13:00": 9_999}, "No", "as many as"),  # same time
    ],
)
def test_answers(
    answer: Any, tmp_path: Path, there: dict[str, int], then: dict[str, int], word: str, reason: str
) -> None:
    given = answer.refresh(tmp_path / "page", source(tmp_path, GOOD, today(there), before(then)), now=NOW)
    assert given.word == word
    assert reason in given.reason
    shown = (tmp_path / "page" / "index.html").read_text()
    assert f'<p class="word">{word}</p>' in shown
    assert "As of Wednesday, 25 November, 12:00" in shown
    assert not re.search(r"https?://|<script", shown)


FINE = (GOOD, today({"09:00": 100}), before({"09:00": 100}))
BAD_STATUS: list[Any] = [
    "", "{", "null", "[]", "{}", "[" * 100_000, '"x"', {**GOOD, "last_commit": "soon"}, {**GOOD, "last_commit": 1e300},
    {**GOOD, "last_commit": NOW.timestamp() - 1_000}, {**GOOD, "last_commit": NOW.timestamp() + 1_000},
    {**GOOD, "last_commit": float("nan")}, {**GOOD, "running": False}, {**GOOD, "healing": True},
    {**GOOD, "behind_seconds": 1_000},
]  # fmt: skip
BAD_ROWS: list[Any] = [
    "", "<html>", "null", "3", {"a": 1}, [1], [None], [[]], [{}], today({"09:00": "9"}), today({"09:00": -1}),
    today({"09:00": True}), today({"09:00": 1.5}), today({"24:00": 1}), today({"<b>": 1}), before({"09:00": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        *[(status, *FINE[1:]) for status in BAD_STATUS],
        *[(GOOD, bad, FINE[2]) for bad in BAD_ROWS],
        (GOOD, FINE[1], "Traceback"),
        (GOOD, FINE[1], []),
        (GOOD, FINE[1], before({"09:00": 29})),
    ],
)
def test_a_broken_or_stale_source_is_not_believed(answer: Any, tmp_path: Path, said: tuple[Any, Any, Any]) -> None:
    folder = tmp_path / "page"
    assert answer.refresh(folder, source(tmp_path, *said), now=NOW).word == "Unknown"
    assert "Last good data: never" in (folder / "index.html").read_text()
    assert answer.refresh(folder, source(tmp_path, *FINE), now=NOW).word == "No"
    assert answer.refresh(folder, source(tmp_path, *said), now=NOW).word == "Unknown"
    for _ in range(2):  # and it is not forgotten by a second failure
        shown = (folder / "index.html").read_text()
        assert "Last good data: Wednesday, 25 November, 12:00" in shown
        assert '<p class="word">Unknown</p>' in shown
        answer.refresh(folder, source(tmp_path, *said), now=NOW)
    (folder / "answer.json").write_text('{"as_of": "<script>"}')
    answer.refresh(folder, source(tmp_path, *said), now=NOW)
    assert "Last good data: never" in (folder / "index.html").read_text()


def test_a_command_that_fails_hangs_or_is_not_there(
    answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer.refresh(tmp_path, source(tmp_path, *FINE, code=1), now=NOW).reason == "The counter does not answer."
    assert answer.refresh(tmp_path, ["/nowhere/pipelog"], now=NOW).reason == "The counter cannot be asked."
    monkeypatch.setattr(answer, "PATIENCE", 0.1)
    slow = ["sh", "-c", "exec sleep 30"]
    assert answer.refresh(tmp_path, slow, now=NOW).reason == "The counter takes too long to answer."


def test_the_clock_is_that_of_the_zone_that_pipelog_counts_in(
    answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else today would be compared up to one time with last week up to another."""
    settings = tmp_path / "pipelog.toml"
    monkeypatch.setenv("PIPELOG_CONFIG", str(settings))
    for zone, hours in (("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)):
        settings.write_text(f'[counting]\ntimezone = "{zone}"\n')
        now = answer._now()
        assert now.utcoffset() == timedelta(hours=hours)
        good = GOOD | {"last_commit": now.timestamp() - 5}
        days = {now.date(): "there", now.date() - timedelta(days=7): "then"}
        for day, name in days.items():
            (tmp_path / name).write_text(json.dumps(rows(day, {"00:00": 100})))
        (tmp_path / "status").write_text(json.dumps(good))
        names = " ".join(f"{day}) cat '{tmp_path / name}';;" for day, name in days.items())
        script = f"case $1 in export) case $2 in {names} esac;; status) cat '{tmp_path / 'status'}';; esac"
        given = answer.refresh(tmp_path / "page", ["sh", "-c", script, "sh"])
        if f"{now:%H:%M}" != "00:00":  # the first minute of the day has nothing before it
            assert given.word == "No", given
            assert f"by {now:%H:%M}" in given.reason
    settings.write_text('[counting]\ntimezone = "Nowhere/At_all"\n')
    assert answer.refresh(tmp_path / "page", ["false"]).word == "Unknown"
    assert "Last good data: never" not in (tmp_path / "page" / "index.html").read_text()


def test_readers_see_whole_pages_only(answer: Any, tmp_path: Path) -> None:
    one, two = (answer.Answer("Unknown", letter * 200_000, None) for letter in "ab")
    whole = {answer.page(one), answer.page(two)}
    path = tmp_path / "index.html"
    answer._write(path, answer.page(one))
    done = threading.Event()

    def write() -> None:
        for n in range(100):
            answer._write(path, answer.page((one, two)[n % 2]))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_text())
    writer.join()
    assert seen <= whole
    assert sorted(os.listdir(tmp_path)) == ["index.html"]


def test_httpd_counts_and_the_page_answers(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now().astimezone()
    week = now - timedelta(days=7)
    with tempfile.TemporaryDirectory(prefix="pipelog-") as folder:
        work = Path(folder, "site", "work")
        work.mkdir(parents=True)
        state = work / "state"
        log = work / "old.log"
        stamp = f"{week:%d/%b/%Y}:00:00:00 {week:%z}"
        log.write_text(f'192.0.2.1 - - [{stamp}] "GET / HTTP/1.1" 200 1 "-" "{BROWSER}"\n' * 60)
        day = week.date().isoformat()
        assert pipelog(state, "rollup", "--since", day, "--until", day, str(log)).returncode == 0
        logger = shlex.join(["/usr/bin/env", "PIPELOG_CONFIG=/dev/null", "--ignore-signal=TERM", *PIPELOG])
        httpd = Httpd(work, f'CustomLog "|{logger} --state {state}" combined')
        try:
            for name, value in environment(state=str(state)).items():
                monkeypatch.setenv(name, value)
            for _ in range(7):
                assert httpd.get("/") == 200
            told = lambda: json.loads(pipelog(state, "status", "--output", "json").stdout).get("lines")  # noqa: E731
            servers.eventually(lambda: told() == 7, "the hits are counted")
            soon = (now + timedelta(minutes=2)).replace(tzinfo=None)
            given = answer.refresh(work / "htdocs", PIPELOG, now=soon)
            assert given.word == "Yes"
            assert given.reason.startswith("7 views today")
            assert httpd.get("/") == 200
        finally:
            httpd.stop()
        servers.eventually(
            lambda: not json.loads(pipelog(state, "status", "--output", "json").stdout)["running"], "the logger ends"
        )
        stopped = answer.refresh(work / "htdocs", PIPELOG, now=soon)
        assert (stopped.word, stopped.reason) == ("Unknown", "The counting has stopped.")
        assert stopped.as_of == given.as_of


def test_one_command_starts_it() -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", str(HERE / "serve_answer.py"), "--demo"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment() | {"PYTHONPATH": str(HERE)},
    )
    try:
        assert process.stdout
        said = process.stdout.readline()
        address = re.match(r"http://127\.0\.0\.1:\d+/", said)
        assert address, said
        with urllib.request.urlopen(address[0], timeout=10) as page:
            shown = page.read().decode()
        assert '<p class="word">Yes</p>' in shown or datetime.now().hour == 0
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_crontab_is_for_weekdays_and_its_command_is_there() -> None:
    lines = (HERE / "crontab").read_text().splitlines()
    (entry,) = [line for line in lines if line.startswith("*")]
    assert entry.split(maxsplit=5)[:5] == ["*/5", "*", "*", "*", "1-5"]
    command = shlex.split(entry.split(maxsplit=5)[5].partition(">")[0])
    assert Path(command[2]).name == "answer.py"
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "answer.py"), "--help"], capture_output=True, text=True, check=True
    )
    for option in (word for word in command[4:] if word.startswith("--")):
        assert option in done.stdout
