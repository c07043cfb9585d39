"""`pipelog check`: settings, stores, folders, formats, a sample of a log, and the pitfalls of httpd's configuration."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from cli_helpers import EXAMPLES, YESTERDAY, line, pipelog

from pipelog.cli.httpd import pitfalls

GOOGLE = "https://www.google.com/"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def test_check_of_a_fresh_machine_makes_nothing(tmp_path: Path) -> None:
    done = pipelog(tmp_path / "state", "check")
    assert done.returncode == 0, done.stdout
    assert b"can be made" in done.stdout
    assert not (tmp_path / "state").exists()


def test_check_says_where_a_setting_came_from(tmp_path: Path) -> None:
    config = tmp_path / "pipelog.toml"
    config.write_text('prefix = "site1"\n[counting]\nmax_pages = 7\n')
    done = pipelog(tmp_path / "state", "check", "--config", str(config), "--source", "web1", flush="0.2")
    text = done.stdout.decode()
    assert f"prefix = site1  ({config})" in text
    assert f"counting.max_pages = 7  ({config})" in text
    assert "flush = 0.2  (PIPELOG_FLUSH)" in text
    assert "source = web1  (--source)" in text
    assert "format = combined  (default)" in text


def test_check_tells_how_far_the_counting_is(tmp_path: Path) -> None:
    assert pipelog(tmp_path, stdin=line("/a/", YESTERDAY) * 3 + line("/b/") + b"nonsense\n").returncode == 0
    assert pipelog(tmp_path, "rollup").returncode == 0
    text = pipelog(tmp_path, "check").stdout.decode()
    assert "5 lines, 1 bad" in text
    assert "journal behind by 0 bytes" in text
    assert "no worker is running" in text
    assert "bad line: " in text
    assert "1 days, last " + YESTERDAY.isoformat() in text


def test_check_of_a_log_shows_what_lines_count_for(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_bytes(line("//a/?x", referrer=GOOGLE) + line("/a/", agent=BOT) + line("/x.css") + b"\x1b[2Jnonsense\n")
    done = pipelog(tmp_path, "check", str(log))
    text = done.stdout.decode()
    assert "views; referrer search/Google; keyword (not provided) /a/" in text
    assert "bot search/Googlebot" in text
    assert "no view" in text
    assert "parsed 3 of 4 lines" in text
    assert "line 4: " in text
    assert "\x1b" not in text
    assert done.returncode == 0


def test_check_shows_the_rules_of_a_site(tmp_path: Path) -> None:
    config = tmp_path / "pipelog.toml"
    config.write_text('[site."shop.example.org"]\nparameters = ["article"]\n')
    done = pipelog(tmp_path / "state", "check", "--config", str(config))
    assert """site."shop.example.org".parameters = ('article',)\n""" in done.stdout.decode()
    config.write_text('[site."shop.example.org"]\nparameter = ["article"]\n')
    done = pipelog(tmp_path / "state", "check", "--config", str(config))
    assert done.returncode == 1
    assert b"did you mean parameters" in done.stderr


def test_check_tells_stamps_that_are_far_off(tmp_path: Path) -> None:
    month = [YESTERDAY - timedelta(days=n) for n in range(31)]
    log = tmp_path / "access.log"
    log.write_bytes(b"".join(line("/a", day) for day in month))
    assert b"days off" not in pipelog(tmp_path / "state", "check", str(log)).stdout
    with open(log, "ab") as file:
        file.write(line("/a", date(1970, 1, 1)) + line("/a", YESTERDAY + timedelta(days=400)))
    done = pipelog(tmp_path / "state", "check", str(log))
    assert done.returncode == 0
    told = [text for text in done.stdout.decode().splitlines() if "days off" in text]
    assert len(told) == 1
    assert told[0].startswith("  warn 2 of 33 lines are stamped more than 31 days off ")
    assert "(line 32: 1970-01-01)" in told[0]


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        (["--format", "%h %u"], "no time (%t)"),
        (["--format", "%h %!"], "bad log format"),
        (["--backend", "memcached://127.0.0.1:1"], "FAIL backend: memcached 127.0.0.1:1"),
        (["--backend", "nosuch://h"], "FAIL backend: there is no backend nosuch"),
        (["--sink", f"sqlite://{sys.executable}"], "FAIL sink: "),
        (["--state", "/dev/null/state"], "/dev/null is no folder"),
        (["--httpd", "/nonexistent.conf"], "FAIL /nonexistent.conf"),
        (["some.log", "--format", "common"], "parsed 0 of 0 lines"),
    ],
)
def test_check_fails_where_pipelog_would(arguments: list[str], finding: str, tmp_path: Path) -> None:
    (tmp_path / "some.log").write_bytes(b"")
    named = [str(tmp_path / "some.log") if argument == "some.log" else argument for argument in arguments]
    done = pipelog(tmp_path / "state", "check", *named)
    assert finding in done.stdout.decode()
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("agent", "lines"),
    [
        (BOT, ["verdict  bot", "class    search: ", "name     Googlebot", "because  the name googlebot"]),
        ("", ["verdict  bot", "name     (no agent)"]),
        ("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0", ["verdict  person"]),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/1 Sindup/1.0.0", ["name     Sindup", "because  pattern Sindup"]),
        ("\x1b[2J\u202e crawler", ["verdict  bot", "because  the word 'crawl' says it"]),
    ],
)
def test_check_explains_a_verdict(agent: str, lines: list[str], tmp_path: Path) -> None:
    done = pipelog(tmp_path / "state", "check", "--agent", agent)
    text = done.stdout.decode()
    assert [expected for expected in lines if expected not in text] == []
    assert len(text.splitlines()) <= 6
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (tmp_path / "state").exists()


def test_check_says_which_list_tells_bots(tmp_path: Path) -> None:
    assert b"then crawler-user-agents 1." in pipelog(tmp_path, "check").stdout
    assert b"bots are told by pipelog's own table\n" in pipelog(tmp_path, "check", bots="core").stdout
    done = pipelog(tmp_path, "check", "--agent", "x", bots="all")
    assert done.returncode == 1
    assert b'"auto", "core" or "package"' in done.stderr


def test_check_finds_a_folder_that_anyone_may_write_to(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    done = pipelog(tmp_path / "state", "check")
    assert b"chmod o-w" in done.stdout
    assert done.returncode == 1


def test_check_warns_of_a_format_without_agent_and_referrer(tmp_path: Path) -> None:
    text = pipelog(tmp_path, "check", "--format", "common").stdout.decode()
    assert "warn no user agent" in text
    assert "warn no referrer" in text


GOOD = '"|/usr/bin/env --ignore-signal=TERM /srv/venv/bin/python -P -m pipelog" combined'
HOST = "<VirtualHost *:80>\n%s\n</VirtualHost>\n"
OWN = "CustomLog /var/log/one.log combined"


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (f"CustomLog {GOOD}\n", []),
        (f"GlobalLog {GOOD}\n", []),
        ("CustomLog \\\n  " + GOOD + "\n", []),
        ("# CustomLog |pipelog combined\n", []),
        (f"BufferedLogs On\nCustomLog {GOOD}\n", ["t.conf:1: BufferedLogs"]),
        (f"CustomLog {GOOD.replace('|', '|$')}\n", ["t.conf:1: `|$`"]),
        (f"CustomLog {GOOD.replace('--ignore-signal=TERM', '-i')}\n", ["--ignore-signal=TERM"]),
        (f"CustomLog {GOOD.replace(' -P', '')}\n", ["without -P"]),
        ('CustomLog "|python -P -m pipelog --ignore-signal=TERM" combined\n', ["absolute path"]),
        (f"CustomLog {GOOD}\n" + HOST % OWN, ["t.conf:3: this virtual host's own log"]),
        (f"GlobalLog {GOOD}\n" + HOST % OWN, []),
        (HOST % f"{OWN}\nCustomLog {GOOD}", []),
        (f"CustomLog {GOOD}\n" + HOST % f"{OWN}\nCustomLog {GOOD}", []),
        (HOST % f"CustomLog {GOOD}" + HOST % OWN, []),
    ],
)
def test_pitfalls(text: str, warnings: list[str], tmp_path: Path) -> None:
    file = tmp_path / "t.conf"
    file.write_text(text)
    found = list(pitfalls([str(file)]))
    loud = [words for mark, words in found if mark != "ok"]
    assert len(loud) == len(warnings), loud
    assert all(expected in words for expected, words in zip(warnings, loud, strict=True))
    assert any(mark == "ok" for mark, _ in found) == ("# " not in text)


def test_check_of_the_example_configurations(tmp_path: Path) -> None:
    files = sorted((EXAMPLES / "apache").glob("*.conf"))
    assert len(files) == 2
    done = pipelog(tmp_path / "state", "check", *(word for file in files for word in ("--httpd", str(file))))
    assert done.returncode == 0
    httpd = done.stdout.decode().partition("httpd\n")[2]
    assert all(str(file) in httpd for file in files)
    assert "warn" not in httpd
