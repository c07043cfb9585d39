"""What commands print: nothing of a stranger's reaches a terminal raw, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import errno
import io
import os
import pty
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from cli_helpers import PIPELOG, environment, line, pipelog
from hypothesis import given
from hypothesis import strategies as st

from pipelog.printable import printable
from pipelog.sinks.cells import defuse, undefuse

EVIL = ["/\x1b[31mred\x07", "/\u202egpj.exe", "/\x9b2J", "/tab\there", "=cmd|' /C calc'!A1", "+1", "-1", "@x"]
RESOLVER = """
PAGES = {pages!r}

def resolve(path):
    return PAGES[int(path.strip("/"))]
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which pages have the worst names: a resolver gives them, for paths are always escaped."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "evil_pages.py").write_text(RESOLVER.format(pages=EVIL), "utf-8")
    lines = b"".join(line(f"/{number}/", referrer="http://\\x1b[31m.example/") for number in range(len(EVIL)))
    settings = environment(state=str(folder / "state"), resolver="evil_pages:resolve") | {"PYTHONPATH": str(folder)}
    subprocess.run(PIPELOG, input=lines, env=settings, timeout=60, check=True)
    return folder / "state"


def on_a_terminal(state: Path, *arguments: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*PIPELOG, *arguments], env=environment(state=str(state)), stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
        while True:
            try:
                piece = terminal.read(65536)
            except OSError as error:
                if error.errno != errno.EIO:  # Linux tells so that the other side has closed
                    raise
                piece = b""
            if not piece:
                break
            written += piece
    assert process.wait(30) == 0, written
    return written.decode()


@pytest.mark.parametrize("output", [[], ["--output", "table"], ["--output", "csv"], ["--output", "json"]])
@pytest.mark.parametrize("command", [["top"], ["export"], ["hits", *EVIL[:4]]])
def test_no_stranger_writes_to_a_terminal(hostile: Path, command: list[str], output: list[str]) -> None:
    text = on_a_terminal(hostile, *command, *output)
    assert len(text.splitlines()) > 4
    assert all(text_line.isprintable() for text_line in text.split("\r\n"))


def test_no_spreadsheet_runs_a_page(hostile: Path) -> None:
    text = pipelog(hostile, "top").stdout.decode()
    names = [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert sorted(names) == sorted(map(defuse, EVIL))
    assert [defuse(page)[0] for page in EVIL[4:]] == ["'"] * 4
    assert sorted(map(undefuse, names)) == sorted(EVIL)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_printable_is_printable_and_keeps_what_is(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert not text.isprintable() or shown == text
