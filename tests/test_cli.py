"""The commands, as a shell runs them: answers, exit codes, one-line errors, and no stranger's bytes on a terminal."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cli_helpers import PIPELOG, TODAY, YESTERDAY, environment, line, pipelog

from pipelog.backends.keys import Keys
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.cli import COMMANDS
from pipelog.model import Coordinate
from pipelog.testing import servers

GOOGLE, BING = "https://www.google.com/", "https://www.bing.com/search?q=bridge"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a day of history and a live day; not to be changed."""
    state = tmp_path_factory.mktemp("counted") / "state"
    fill(state)
    assert pipelog(state, "rollup").returncode == 0
    return state


def fill(state: Path) -> None:
    """Yesterday: /a/ 3, /b/ 1. Today: /a/ 2, /b/ 4, a bot, a missing page."""
    old = [line("/a/", YESTERDAY, referrer=GOOGLE)] * 3 + [line("/b/", YESTERDAY, referrer=BING)]
    new = [line("/a/")] * 2 + [line("/b/")] * 4 + [line("/a/", agent=BOT), line("/gone/", status=404)]
    done = pipelog(state, stdin=b"".join(old + new))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def rows(done: subprocess.CompletedProcess[bytes]) -> list[list[str]]:
    """The rows of CSV output, without the header."""
    assert done.returncode == 0, done.stderr
    return list(csv.reader(io.StringIO(done.stdout.decode())))[1:]


def one_line(done: subprocess.CompletedProcess[bytes], code: int) -> str:
    """The only line of an error."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert b"Traceback" not in done.stderr
    return done.stderr.decode().rstrip("\n")


# -- all commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_names_the_state_folder(command: str, tmp_path: Path) -> None:
    done = pipelog(tmp_path / "state", command, "--help")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "pipelog" in text.partition("example:\n")[2]
    assert "--state" in text
    assert "--config" in text
    assert not (tmp_path / "state").exists()


def test_help_lists_every_command(tmp_path: Path) -> None:
    text = pipelog(tmp_path, "--help").stdout.decode()
    assert all(f"\n  {name} " in text for name in COMMANDS)
    assert pipelog(tmp_path, "--version").stdout.startswith(b"pipelog ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["count", "file.log"],
        ["hits"],
        ["hits", "/", "--output", "xml"],
        ["top", "--by", "colour"],
        ["top", "-n", "0"],
        ["top", "--stat", "x"],  # no abbreviations: a new option must not change what an old line means
        ["export", "today", "yesterday"],
        ["rollup", "--jobs", "-1"],
        ["replay", "--nonsense\x1b[31m"],
        ["--nonsense"],
    ],
)
def test_wrong_usage_is_one_line_and_2(arguments: list[str], tmp_path: Path) -> None:
    text = one_line(pipelog(tmp_path / "state", *arguments), 2)
    assert "--help" in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("word", "hint"),
    [("rolup", "did you mean rollup?"), ("hit", "did you mean hits?"), ("\x1b[2J", "commands are: count, rollup")],
)
def test_an_unknown_command_has_a_hint(word: str, hint: str, tmp_path: Path) -> None:
    text = one_line(pipelog(tmp_path, word), 2)
    assert hint in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hits", "/", "--days", "soon"], "is no date"),
        (["hits", "/", "--backend", "nosuch://host"], "known are memcached, memory, sqlite"),
        (["hits", "/", "--backend", "memcached://127.0.0.1:1"], "memcached 127.0.0.1:1"),
        (["hits", "/", "--config", "/nonexistent/pipelog.toml"], "/nonexistent/pipelog.toml"),
        (["top", "-7d"], "more than one day"),
        (["export", "2026-13"], "'2026-13' is no date"),
        (["export", "-99999d", "--sink", "csv:"], "names no file or folder"),
        (["rollup", YESTERDAY.isoformat(), "/nonexistent/*.log"], "no such log file"),
        (["rollup"], "has no file"),
        (["rollup", "--since", "today", "--until", "yesterday"], "is after"),
        (["rollup", "--executor", "nosuch:Factory", sys.executable], "cannot be made"),
        (["rollup", "--executor", "json:loads", sys.executable], "cannot be made"),
        (["rollup", "--executor", "os:getcwd", sys.executable], "cannot be made"),
        (["rollup", "--executor", "contextlib:nullcontext", sys.executable], "cannot be made"),
        (["replay"], "is no state folder"),
        (["replay", "2020-01-01"], "is no live day"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_1(arguments: list[str], words: str, tmp_path: Path) -> None:
    text = one_line(pipelog(tmp_path / "state", *arguments), 1)
    assert words in text
    assert text.startswith("pipelog: ")
    assert not (tmp_path / "state").exists()


def test_an_unreadable_state_is_one_line_and_1(tmp_path: Path) -> None:
    # A folder where a file should be: the one refusal that root gets, too.
    (tmp_path / "segments").mkdir()
    assert "segments" in one_line(pipelog(tmp_path, "rollup"), 1)


def test_an_unknown_setting_names_its_neighbours(tmp_path: Path) -> None:
    text = one_line(pipelog(tmp_path, "hits", "/", max_page="7"), 1)
    assert "PIPELOG_MAX_PAGE: unknown setting 'max_page'; did you mean max_pages" in text


def test_a_password_is_never_printed(tmp_path: Path) -> None:
    for command in (["check"], ["hits", "/"], ["replay"]):
        done = pipelog(tmp_path, *command, "--backend", "memcached://me:geheim@h/x")
        assert b"geheim" not in done.stdout + done.stderr
        assert done.returncode == 1


def test_a_reader_that_has_seen_enough_is_no_error(counted: Path) -> None:
    process = subprocess.Popen(
        [*PIPELOG, "export"], env=environment(state=str(counted)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    with closing(process.stderr) as errors:
        assert (process.wait(30), errors.read()) == (0, b"")


# -- what they answer --------------------------------------------------------------------------------------------


def test_hits(counted: Path) -> None:
    assert rows(pipelog(counted, "hits", "/a/", "/b/", "/none/")) == [
        ["/a/", "2", "5"],
        ["/b/", "4", "5"],
        ["/none/", "0", "0"],
    ]


def test_hits_takes_urls(counted: Path) -> None:
    assert rows(pipelog(counted, "hits", "http://www.example.org//a/?x=1"))[0][1:] == ["2", "5"]


def test_hits_of_the_last_days_end_with_today(counted: Path) -> None:
    for arguments in (["--days", "-3d"], ["--days=-3d"]):
        days = rows(pipelog(counted, "hits", "/a/", *arguments))
        assert [day for _, day, _ in days] == [(TODAY - timedelta(days=n)).isoformat() for n in (3, 2, 1, 0)]
        assert [views for _, _, views in days] == ["0", "0", "3", "2"]


def test_hits_of_one_day_and_none_of_the_future(counted: Path) -> None:
    assert rows(pipelog(counted, "hits", "/a/", "--days", "yesterday")) == [["/a/", YESTERDAY.isoformat(), "3"]]
    month = rows(pipelog(counted, "hits", "/a/", "--days", f"{TODAY:%Y-%m}"))
    assert month[-1] == ["/a/", TODAY.isoformat(), "2"]


@pytest.mark.parametrize(
    ("day", "by", "leaders"),
    [
        ("today", "views", [["/b/", "4"], ["/a/", "2"]]),
        ("yesterday", "views", [["/a/", "3"], ["/b/", "1"]]),
        ("yesterday", "referrer", [["search/Google", "3"], ["search/Bing", "1"]]),
        ("yesterday", "keyword", [["(not provided)", "3"], ["bridge", "1"]]),
        ("today", "bot", [["search/Googlebot", "1"]]),
        ("today", "missing", [["/gone/", "1"]]),
        ("today", "status", [["200", "7"], ["404", "1"]]),
        (YESTERDAY.isoformat(), "campaign", []),
    ],
)
def test_top(counted: Path, day: str, by: str, leaders: list[list[str]]) -> None:
    assert rows(pipelog(counted, "top", day, "--by", by)) == leaders
    assert rows(pipelog(counted, "top", day, "--by", by, "-n", "1")) == leaders[:1]


def test_the_same_rows_as_table_csv_and_json(counted: Path) -> None:
    outputs = {how: pipelog(counted, "top", "--output", how).stdout.decode() for how in ("table", "csv", "json")}
    assert outputs["table"] == "page  count\n/b/       4\n/a/       2\n"
    assert outputs["csv"] == "page,count\n/b/,4\n/a/,2\n"
    assert json.loads(outputs["json"]) == [{"page": "/b/", "count": 4}, {"page": "/a/", "count": 2}]


def test_an_export_is_the_same_live_and_from_history(tmp_path: Path) -> None:
    state = tmp_path / "state"
    fill(state)
    live = [pipelog(state, "export", day).stdout for day in ("yesterday", "today")]
    assert b",views,,3\n" in live[0]
    assert pipelog(state, "rollup").returncode == 0
    assert pipelog(state, "rollup", "today", "--force").returncode == 0
    with SQLiteBackend(state / "counters.db") as backend:
        backend.forget("pipelog|")
    assert [pipelog(state, "export", day).stdout for day in ("yesterday", "today")] == live


def test_an_export_of_several_days_is_their_exports(counted: Path) -> None:
    several = rows(pipelog(counted, "export", "-2d"))
    assert several == rows(pipelog(counted, "export", "yesterday"))


def test_an_export_needs_a_backend_that_lists(tmp_path: Path) -> None:
    with servers.memcached() as server:
        text = one_line(pipelog(tmp_path, "export", backend=server.url), 1)
    assert "cannot list" in text


# -- rollup and replay -------------------------------------------------------------------------------------------


def test_a_day_that_is_not_over_is_refused_unless_forced(tmp_path: Path) -> None:
    fill(tmp_path)
    assert "--force" in one_line(pipelog(tmp_path, "rollup", "today"), 1)
    done = pipelog(tmp_path, "rollup", "today", "--force")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"{TODAY}: 8 lines, 6 views of 2 pages written\n"


def test_a_thinner_day_is_refused_unless_forced(counted: Path, tmp_path: Path) -> None:
    log, sink = tmp_path / "half.log", f"sqlite://{tmp_path}/history.db"
    log.write_bytes(line("/a/", YESTERDAY) * 2)
    assert pipelog(counted, "rollup", "--sink", sink).returncode == 0
    half = ["rollup", "yesterday", str(log), "--sink", sink]
    assert "4 lines and would now be made from 2" in one_line(pipelog(counted, *half), 1)
    assert rows(pipelog(counted, "hits", "/a/", "--days", "yesterday", "--sink", sink))[0][2] == "3"
    assert pipelog(counted, *half, "--force").returncode == 0
    assert rows(pipelog(counted, "hits", "/a/", "--days", "yesterday", "--sink", sink))[0][2] == "2"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_bytes(line("/a/", YESTERDAY) + b"nonsense\n")
    done = pipelog(tmp_path / "state", "rollup", "yesterday", str(log), "--dry-run", "--jobs", "2")
    assert done.returncode == 0
    assert b"1 lines, 1 views of 1 pages would be written" in done.stderr
    assert b"1 of 2 lines are bad" in done.stderr
    assert f"{log}, line 2".encode() in done.stderr
    assert not (tmp_path / "state").exists()


def test_several_days_of_named_files(tmp_path: Path) -> None:
    early = YESTERDAY - timedelta(days=2)
    (tmp_path / "one.log").write_bytes(line("/a/", early) + line("/b/", YESTERDAY))
    (tmp_path / "two.log").write_bytes(line("/a/", early) * 2)
    sink = f"csv://{tmp_path}/days"
    done = pipelog(tmp_path, "rollup", "--since", early.isoformat(), "--sink", sink, f"{tmp_path}/*.log")
    assert done.stderr.count(b"written") == 3
    assert [views for *_, views in rows(pipelog(tmp_path, "hits", "/a/", "--days", "-3d", "--sink", sink))] == [
        "3",
        "0",
        "0",
        "0",
    ]


def test_replay_keeps_what_is_right_and_mends_what_is_not(tmp_path: Path) -> None:
    fill(tmp_path)
    before = pipelog(tmp_path, "export").stdout, pipelog(tmp_path, "export", "yesterday").stdout
    done = pipelog(tmp_path, "replay")
    assert done.returncode == 0, done.stderr
    assert b"counted again" in done.stderr
    assert (pipelog(tmp_path, "export").stdout, pipelog(tmp_path, "export", "yesterday").stdout) == before
    key = Keys().counter(Coordinate(TODAY, "", "/a/", "views", ""))
    with SQLiteBackend(tmp_path / "counters.db") as backend:
        backend.commit({key: 1000, key[:-1] + "x": 7}, {}, ttl=3600)
    assert rows(pipelog(tmp_path, "hits", "/a/"))[0][1] == "1002"
    assert pipelog(tmp_path, "replay", "today").returncode == 0
    assert (pipelog(tmp_path, "export").stdout, pipelog(tmp_path, "export", "yesterday").stdout) == before


def test_replay_is_done_by_the_worker_that_runs(tmp_path: Path) -> None:
    settings = environment(state=str(tmp_path), flush="0.1")
    with subprocess.Popen(PIPELOG, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=settings, bufsize=0) as logger:
        assert logger.stdin
        logger.stdin.write(line("/a/") * 3)

        def views() -> str:
            return rows(pipelog(tmp_path, "hits", "/a/"))[0][1]

        servers.eventually(lambda: views() == "3", "the lines are counted")
        with SQLiteBackend(tmp_path / "counters.db") as backend:
            backend.commit({Keys().counter(Coordinate(TODAY, "", "/a/", "views", "")): 1000}, {}, ttl=3600)
        done = pipelog(tmp_path, "replay")
        assert b"the worker that runs now counts it again" in done.stderr
        servers.eventually(lambda: views() == "3", "the worker has counted again")
        logger.stdin.close()
    assert logger.returncode == 0


def test_replay_is_refused_where_the_backend_cannot_list(tmp_path: Path) -> None:
    fill(tmp_path)
    with servers.memcached() as server:
        text = one_line(pipelog(tmp_path, "replay", backend=server.url), 1)
    assert "flush_all" in text
