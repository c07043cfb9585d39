"""Whatever a name holds, each message and each output is whole lines of printable text; nothing ends in a traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from cli_helpers import PIPELOG, YESTERDAY, environment, line, pipelog

EVIL = "\x1b]0;e\x07\n\x9b31m\u202e=1"


def shown(done: subprocess.CompletedProcess[bytes]) -> str:
    """Both outputs, which must be fit for a terminal."""
    text = (done.stdout + done.stderr).decode()
    assert all(text_line.isprintable() for text_line in text.split("\n")), text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    "arguments",
    [
        [EVIL],
        ["top", f"--{EVIL}"],
        ["top", EVIL],
        ["top", "--by", EVIL],
        ["top", "-n", EVIL],
        ["top", "--config", EVIL],
        ["top", "--backend", f"x{EVIL}:"],
        ["export", EVIL],
        ["merge", EVIL, "/x"],
        ["hits", EVIL, "--output", "csv"],
        ["hits", EVIL, "--output", "json"],
        ["check", EVIL, "--httpd", EVIL, "--site", EVIL, "--format", f"%{EVIL}"],
        ["check", "--agent", f"some bot {EVIL}"],
        ["rollup", EVIL],
        ["rollup", "--executor", EVIL],
        ["count", "--user", EVIL],
        ["count", f"--{EVIL}"],
    ],
    ids=str,
)
def test_arguments_are_told_of_in_print(tmp_path: Path, arguments: list[str]) -> None:
    done = pipelog(tmp_path, *arguments, stdin=line("/a/"))
    shown(done)
    if done.returncode == 2:
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", [EVIL.encode(), b"\xff\xfe\x1b"], ids=["controls", "no text"])
def test_files_and_folders_are_told_of_in_print(tmp_path: Path, name: bytes) -> None:
    """Also: a folder whose name is no text is as good as another. Its worker died of the default backend's URL."""
    state = tmp_path / os.fsdecode(b"state " + name)
    log = tmp_path / os.fsdecode(b"log " + name)
    log.write_bytes(line("/a/", YESTERDAY) + b"\x1b[31mno line\n\xff\xfe\n")
    for how in ("table", "prometheus"):
        assert len(shown(pipelog(state, "status", "--output", how)).splitlines()) == 1
    assert pipelog(state, "count", stdin=line("/b/") + b"no line\n").returncode == 0
    assert "2 of 3 lines are bad" in shown(pipelog(state, "rollup", str(log)))
    assert "parsed 1 of 3 lines" in shown(pipelog(state, "check", str(log)))
    for arguments in (["status"], ["status", "--output", "prometheus"], ["check"], ["export"], ["top"]):
        assert pipelog(state, *arguments).returncode == 0
        shown(pipelog(state, *arguments))
    assert json.loads(shown(pipelog(state, "status", "--output", "json")))["bad"] == 1


def test_metrics_of_any_source(tmp_path: Path) -> None:
    assert pipelog(tmp_path, "count", "--source", f'{EVIL}"\\', stdin=line("/a/")).returncode == 0
    text = shown(pipelog(tmp_path, "status", "--output", "prometheus"))
    for entry in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) pipelog_\w+ .+|pipelog_\w+\{source="(?:[^"\\]|\\.)*"\} [0-9.e+]+', entry)


@pytest.mark.parametrize("arguments", [["--help"], ["count", "--help"], ["hits", "/大…", "--output", "table"]], ids=str)
def test_a_charset_that_lacks_the_letters(tmp_path: Path, arguments: list[str]) -> None:
    settings = environment(state=str(tmp_path)) | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*PIPELOG, *arguments], input=b"", capture_output=True, env=settings, timeout=30, check=False)
    assert done.returncode == 0
    assert b"\\u2026" in done.stdout


@pytest.mark.parametrize("setting", ["state", "archive", "symlink", "user", "source"])
@pytest.mark.parametrize("command", ["count", "check", "rollup"])
def test_a_nul_in_a_setting_is_refused(tmp_path: Path, setting: str, command: str) -> None:
    """A logger that cannot start reads its pipe to the end all the same: more than a pipe holds goes in."""
    config = tmp_path / "pipelog.toml"
    config.write_text(f'{setting} = "/x\\u0000"\n')
    settings = {name: text for name, text in environment().items() if not name.startswith("PIPELOG_")}
    done = subprocess.run(
        [*PIPELOG, command, "--config", str(config)],
        input=line("/a/") * 10_000,
        capture_output=True,
        env=settings | {"XDG_STATE_HOME": str(tmp_path)},
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert f"{setting} holds a NUL" in shown(done)
