"""`pipelog status`: for people, for programs, for Prometheus."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from cli_helpers import PIPELOG, environment, line, pipelog

from pipelog.testing.servers import eventually


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def status(state: Path, *options: str) -> tuple[int, str]:
    done = pipelog(state, "status", *options)
    assert done.stderr == b""
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize("how", ["table", "json", "prometheus"])
def test_before_the_first_line(state: Path, how: str) -> None:
    code, text = status(state, "--output", how)
    assert code == 1
    assert "nothing is counted yet" in text or json.loads(text) == {}


def test_what_was_read_counted_and_refused(state: Path) -> None:
    assert pipelog(state, "count", "--source", 'we"b', stdin=line("/a/") * 3 + b"\x1b[31mno line\n").returncode == 0
    code, text = status(state)
    assert code == 0
    shown = dict(re.findall(r"^(.{12}) (.*)$", text, re.M))
    told = {name.strip(): int(value) for name, value in shown.items() if value.isdigit()}
    assert told == dict.fromkeys(told, 0) | {"lines": 4, "counted": 3, "bad": 1}
    assert told.keys() >= {"too long", "unwritten", "quarantined", "over caps", "restarts"}
    assert shown["worker      "] == "none is running"
    assert shown["behind      "] == "0 bytes, 0.0 s"
    assert "\x1b" not in text
    found = json.loads(status(state, "--output", "json")[1])
    assert (found["lines"], found["counted"], found["behind_bytes"], found["running"]) == (4, 3, 0, False)
    metrics = status(state, "--output", "prometheus")[1]
    assert 'pipelog_lines_total{source="we\\"b"} 4\n' in metrics
    for entry in metrics.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) pipelog_\w+ .+|pipelog_\w+\{source="(?:[^"\\]|\\.)*"\} [0-9.e+]+', entry)


def test_while_it_runs_and_when_lines_wait(state: Path) -> None:
    process = subprocess.Popen(
        [*PIPELOG, "count", "--flush", "0.1"], stdin=subprocess.PIPE, env=environment(state=str(state))
    )
    assert process.stdin
    process.stdin.write(line("/a/"))
    process.stdin.flush()
    eventually(lambda: status(state)[1].startswith("source"), "the first line is counted")
    found = json.loads(status(state, "--output", "json")[1])
    assert found["running"]
    child = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    os.kill(int(child.read_text().split()[0]), signal.SIGKILL)
    process.stdin.write(line("/b/"))
    process.stdin.flush()
    eventually(lambda: json.loads(status(state, "--output", "json")[1])["restarts"] == 1, "the restart is told")
    process.communicate(timeout=20)
    with open(next((state / "journal").glob("*.log")), "ab") as file:
        file.write(line("/late/"))
    code, text = status(state, "--output", "json")
    assert code == 1  # lines wait, and nobody is there to count them
    assert json.loads(text)["behind_bytes"] == len(line("/late/"))
