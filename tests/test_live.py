"""`pipelog top --live`: under a real pseudo-terminal, its screen read as a terminal shows it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import pyte
import pytest
from cli_helpers import PIPELOG, TODAY, YESTERDAY, environment, line, pipelog

from pipelog import config
from pipelog.cli import main
from pipelog.cli.live import Watch
from pipelog.cli.live_frame import Frame, curve_of, draw
from pipelog.cli.terminal import console_of
from pipelog.queries import Hits
from pipelog.shortcuts import hits_of

SEARCH = "https://www.bing.com/search?q="
HOSTILE = {"%5Bred%5Da%5B/red%5D": "[red]a[/red]", ":smile:": ":smile:", "x%E2%80%AEy": "x y"}
NAMES = {"\x1b[2J": r"\x1b[2J", "[bold]b[/]": "[bold]b[/]", "\u202ec": r"\u202ec", "\udcff\r\n": r"\udcff\r\n"}
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    lines = line("/a/", YESTERDAY) * 2 + line("/a/") * 3 + line("/b/", referrer="https://www.google.com/") * 2
    lines += (
        b"".join(line("/d/", referrer=SEARCH + words) for words in HOSTILE)
        + line("/c/", agent=GOOGLEBOT)
        + line("/gone/", status=404)
    )
    assert pipelog(tmp_path / "state", "count", stdin=lines).returncode == 0
    return tmp_path / "state"


class Terminal:
    """`pipelog top --live` in a terminal of its own, and what stands on its screen."""

    def __init__(self, state: Path, *options: str, columns: int = 100, rows: int = 30, **settings: str) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.master, slave = pty.openpty()
        self._size(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            [*PIPELOG, "top", "--live", *options],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=environment(state=str(state), **settings) | {"TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )

    def _size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows: int, columns: int) -> None:
        self.screen.resize(rows, columns)
        self._size(rows, columns)  # the kernel tells the process

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def until(self, holds: Callable[[str], object], what: str) -> str:
        """The screen, once `holds(screen)`."""
        end = time.monotonic() + 15
        while not holds(self.text()):
            if time.monotonic() > end:
                pytest.fail(f"not within 15 seconds: {what}; the screen is\n{self.text()}")
            self._read(0.1)
        return self.text()

    def _read(self, patience: float) -> None:
        if select.select([self.master], [], [], patience)[0]:
            try:
                held = os.read(self.master, 65_536)
            except OSError:
                return
            self.raw += held
            self.stream.feed(held)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def ended(self) -> int:
        """The exit code, and everything that was written before."""
        end = time.monotonic() + 15
        while self.process.poll() is None:
            assert time.monotonic() < end, "it has not ended"
            self._read(0.05)
        while select.select([self.master], [], [], 0)[0]:
            self._read(0)
        return self.process.returncode

    def restored(self) -> bool:
        """Whether the terminal is as it was: its own screen, a cursor, echo and lines."""
        leave, cursor = self.raw.rfind(b"\x1b[?1049l"), self.raw.rfind(b"\x1b[?25h")
        return (
            leave > self.raw.rfind(b"\x1b[?1049h") > -1
            and cursor > self.raw.rfind(b"\x1b[?25l") > -1
            and termios.tcgetattr(self.slave) == self.before
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.slave)
        os.close(self.master)


Opener = Callable[..., Terminal]


@pytest.fixture
def opened(state: Path) -> Iterator[Opener]:
    made: list[Terminal] = []

    def opener(*options: str, columns: int = 100, rows: int = 30, **settings: str) -> Terminal:
        made.append(Terminal(state, *options, columns=columns, rows=rows, **settings))
        return made[-1]

    yield opener
    for terminal in made:
        terminal.close()


def test_it_shows_the_day_changes_what_is_ranked_and_leaves_the_terminal_as_it_was(opened: Opener, state: Path) -> None:
    terminal = opened()
    text = terminal.until(lambda text: "q quit" in text and "search/Google" in text, "the first frame is there")
    assert "8 views today" in text
    for name in ("/a/", "search/Googlebot", "views a minute", "intake: no worker is running"):
        assert name in text
    assert terminal.screen.cursor.hidden
    assert terminal.screen.display[-1].startswith("p pages")
    for key, heading, name in ((b"m", "missing", "/gone/"), (b"t", "status", "404"), (b"b", "bots", "Googlebot")):
        terminal.press(key)
        terminal.until(lambda text, words=(heading, name): all(w in text for w in words), f"{heading} are ranked")
    terminal.press(b"k")
    terminal.until(lambda text: all(words in text for words in HOSTILE.values()), "hostile words stand there as text")
    assert pipelog(state, "count", stdin=line("/new/") * 7).returncode == 0
    terminal.press(b"\x1b[A")  # an arrow is no key of ours, nor is the A in it
    terminal.press(b"p")
    terminal.until(lambda text: "15 views today" in text and "/new/" in text, "it goes on by itself")
    terminal.press(b"q")
    assert terminal.ended() == 0
    assert terminal.restored()


@pytest.mark.parametrize(("rows", "columns"), [(40, 140), (12, 60), (5, 20), (1, 1)])
def test_a_resized_window_is_filled_and_no_more(opened: Opener, rows: int, columns: int) -> None:
    terminal = opened()
    terminal.until(lambda text: "q quit" in text, "the first frame is there")
    terminal.resize(rows, columns)
    before = len(terminal.raw)
    first = "p pages  r sources"[: columns - 1] if columns > 2 else ""
    terminal.until(
        lambda _: len(terminal.raw) > before and terminal.screen.display[-1].startswith(first), "it is drawn anew"
    )
    if rows > 4:
        assert [top for top in terminal.screen.display if "pipelog" in top] == [terminal.screen.display[0]]
    terminal.press(b"q")
    assert terminal.ended() == 0
    assert terminal.restored()


@pytest.mark.parametrize(
    ("how", "code"), [("key", 130), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_leave_a_clean_terminal(opened: Opener, how: str | signal.Signals, code: int) -> None:
    terminal = opened()
    terminal.until(lambda text: "q quit" in text, "the first frame is there")
    if isinstance(how, signal.Signals):
        terminal.process.send_signal(how)
    else:
        terminal.press(b"\x03")
    assert terminal.ended() == code
    assert terminal.restored()
    assert b"Traceback" not in terminal.raw


def test_a_store_that_is_down_is_told_and_does_not_end_it(opened: Opener) -> None:
    terminal = opened(backend="memcached://127.0.0.1:1")
    text = terminal.until(lambda text: "No answer:" in text and "q quit" in text, "the trouble is told")
    assert "nothing is known yet" in text
    terminal.press(b"r")
    terminal.press(b"q")
    assert terminal.ended() == 0
    assert terminal.restored()


def test_sites_take_turns(opened: Opener, state: Path) -> None:
    lines = b"".join(b"two.example.org:80 " + line("/of-two/") for _ in range(3))
    assert pipelog(state, "count", stdin=lines, format="vhost_combined").returncode == 0
    terminal = opened()
    terminal.until(lambda text: "(1 of 2)" in text and "/a/" in text, "the first site is shown")
    terminal.press(b"s")
    text = terminal.until(lambda text: "two.example.org  (2 of 2)" in text and "/of-two/" in text, "then the second")
    assert "/a/" not in text
    terminal.press(b"s")
    terminal.until(lambda text: "(1 of 2)" in text and "/of-two/" not in text, "then the first again")


class Clock:
    """Time that passes when it is told to."""

    at = 1_000.0

    def __call__(self) -> float:
        return self.at


class Asked:
    """`Hits`, and how often it was asked what."""

    def __init__(self, hits: Hits, clock: Clock, takes: float) -> None:
        self.hits, self.clock, self.takes = hits, clock, takes
        self.questions: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        def ask(*given: object, **more: object) -> object:
            self.questions.append(name)
            self.clock.at += self.takes
            answer: object = getattr(self.hits, name)(*given, **more)
            return answer

        return ask


@pytest.mark.parametrize(("takes", "pause"), [(0.0, 2.0), (1.0, 30.0)])
def test_it_asks_no_more_than_needed(state: Path, takes: float, pause: float) -> None:
    settings = config.load({"state": str(state)}, config=os.devnull, environ={})
    clock = Clock()
    asked = Asked(hits_of(settings), clock, takes)
    watch = Watch(settings, "views", hits=cast(Hits, asked), clock=clock)
    watch.ask()
    assert asked.questions == ["sites", "per_minute", "per_minute", "top", "top", "top"]
    assert watch.due - clock.at == pause  # a fifth of the time at most
    asked.questions.clear()
    watch.ask()
    assert asked.questions == ["per_minute", "top", "top", "top"]  # what hardly changes is asked once a minute
    due = watch.due
    for key in ("r", "b", "p", "x"):  # all of it is known, or no key
        assert watch.press(key)
    assert watch.due == due
    watch.press("k")
    assert watch.due == 0
    clock.at += 60
    watch.ask()
    assert asked.questions.count("sites") == 1
    assert asked.questions.count("top") == 7


def test_once_is_plain_text_for_scripts(state: Path) -> None:
    done = pipelog(state, "top", "--live", "--once", "--by", "missing")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "\x1b" not in text
    assert "8 views today" in text
    assert "/gone/" in text


def test_once_fails_when_nothing_answers(state: Path) -> None:
    done = pipelog(state, "top", "--once", backend="memcached://127.0.0.1:1")
    assert done.returncode == 1
    assert b"No answer:" in done.stdout


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    done = pipelog(tmp_path / "none", "top", "--once")
    assert b"Nothing is counted yet. `pipelog check` says what is missing." in done.stdout


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--live"], 1, b"--live needs a terminal"),
        (["yesterday", "--live"], 2, b"--live and --once show today"),
        (["--once", "--output", "json"], 2, b"--live and --once show today"),
        (["--once", "-n", "3"], 2, b"leave out -n"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(state: Path, options: list[str], code: int, words: bytes) -> None:
    done = pipelog(state, "top", *options)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_without_rich_it_says_what_to_install(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["top", "--once", "--state", str(state)]) == 1
    assert capsys.readouterr().err == ("pipelog: --live and --once draw with rich: pip install 'pipelog-httpd[cli]'\n")


@pytest.mark.parametrize(
    ("counts", "rows", "lines"),
    [
        ([], 2, ["", ""]),
        ([0, 0], 1, ["  "]),
        ([0, 1, 2, 4, 8], 1, [" ▁▂▄█"]),
        ([1, 1_000_000], 1, ["▁█"]),  # what is there is seen
        ([8, 16, 12], 2, [" █▄", "███"]),
    ],
)
def test_curves(counts: list[int], rows: int, lines: list[str]) -> None:
    assert curve_of(counts, rows) == lines


def test_names_of_strangers_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    frame = Frame(now=datetime.now(), day=TODAY, site="[blink]\x1b]0;s", trouble="[red]\x07")
    frame.sites = [frame.site]
    frame.tops = {"views": [(name, 1) for name in NAMES]}
    console_of(sys.stdout).print(draw(frame, 80, None))
    shown = capsys.readouterr().out
    for text in (*NAMES.values(), r"[blink]\x1b]0;s", r"[red]\x07"):
        assert text in shown
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in shown.replace("\n", ""))


def test_today_is_compared_with_the_finished_minutes_of_yesterday(capsys: pytest.CaptureFixture[str]) -> None:
    frame = Frame(now=datetime.combine(TODAY, datetime.strptime("10:30:30", "%H:%M:%S").time()), day=TODAY)
    frame.today = {"10:00": 10, "10:29": 5, "10:30": 100}
    frame.yesterday = {"09:00": 12, "10:30": 50, "11:00": 1_000}
    console_of(sys.stdout).print(draw(frame, 80, None))
    assert "115 views today   ▲ 25 %  yesterday by 10:30: 12" in capsys.readouterr().out


def test_what_was_never_told_is_not_called_nothing(tmp_path: Path) -> None:
    settings = config.load(
        {"state": str(tmp_path), "backend": "memcached://127.0.0.1:1"}, config=os.devnull, environ={}
    )
    watch = Watch(settings, "views")
    with (tmp_path / "out").open("w+") as out:
        console_of(out).print(draw(watch.ask(), 100, None))
        out.seek(0)
        said = out.read()
    assert "No answer: memcached" in said
    assert "views today: not known yet" in said
    assert "0 views" not in said
