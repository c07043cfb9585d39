"""examples/notice_page: the one command with a real httpd, the form and who may use it, whole pages under readers."""

from __future__ import annotations

import base64
import html
import http.client
import importlib
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults

import pytest
from cli_helpers import BROWSER, EXAMPLES, environment, pipelog
from httpd_helpers import program

import pipelog as api
from pipelog.testing import servers

HERE = EXAMPLES / "notice_page"
TOKEN = "a token of the tests"
HOSTILE = "<script>alert(1)</script> & \"quoted\" 'too' </aside> ${text} {time} $notice \x00\x1b[31m \u202egnp"


def fetch(
    port: int, method: str = "GET", path: str = "/", body: str | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, {"User-Agent": BROWSER, "Connection": "close"} | headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()


class Site:
    """notice_site.py as it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown = 0
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "notice_site.py"), "--folder", str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self.process.stdout
        said = [self.process.stdout.readline() for _ in range(2)]
        self.page, self.form = (int(re.findall(r"http://127\.0\.0\.1:(\d+)/", line)[0]) for line in said)
        self.token = said[1].split()[-1]

    def answers(self) -> bool:
        try:
            return fetch(self.page, "HEAD")[0] == 200  # HEAD is no view
        except OSError:
            return False

    def show(self) -> str:
        self.shown += 1
        return fetch(self.page)[2]

    def counted(self) -> bool:
        """Whether every view so far is counted, which takes half a second."""
        said = pipelog(self.folder / "state", "hits", "/", "--output", "json").stdout
        return json.loads(said) == [{"page": "/", "today": self.shown, "total": self.shown}]

    def edit(self) -> str:
        status, _, text = fetch(self.form, Authorization=basic(self.token))
        assert status == 200
        return text

    def press(self, button: str, text: str) -> tuple[int, str]:
        csrf = re.findall(r'name="csrf" value="(\w+)"', self.edit())[0]
        status, _, body = fetch(
            self.form,
            "POST",
            body=urlencode({"csrf": csrf, "text": text, "do": button}),
            Authorization=basic(self.token),
            Origin=f"http://127.0.0.1:{self.form}",
        )
        return status, body


@pytest.fixture
def site() -> Iterator[Site]:
    program()
    with tempfile.TemporaryDirectory(prefix="pipelog-") as folder:
        Path(folder).chmod(0o755)  # httpd's own user reads the page
        running = Site(Path(folder, "site"))
        try:
            servers.eventually(running.answers, "httpd answers")
            yield running
        finally:
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(20) == 0


def test_a_notice_is_written_previewed_shown_read_and_taken_down(site: Site) -> None:
    assert "Harbour Library" in site.show()
    status, preview = site.press("preview", "No water today.")
    assert (status, "<p>No water today.</p>" in preview) == (200, True)
    assert "No water" not in site.show()
    assert site.press("save", "No water today.\r\n\r\nCome <b>tomorrow</b>.")[0] == 303
    assert "No water" in site.edit()
    assert "No water" not in site.show()

    servers.eventually(site.counted, "what came before is counted")
    assert site.press("enable", "No water today.\r\n\r\nCome <b>tomorrow</b>.")[0] == 303
    page = site.show()  # at once
    assert "<p>No water today.</p>\n<p>Come &lt;b&gt;tomorrow&lt;/b&gt;.</p>" in page
    for _ in range(4):
        site.show()
    servers.eventually(lambda: "Read 5 times so far" in site.edit(), "five have read it")
    assert site.press("save", "No water until three.")[0] == 303
    page = site.show()
    assert "No water until three." in page
    assert "read 5 times so far" in page
    # What the minute's publication does, as cron does it.
    servers.eventually(lambda: "Read 6 times so far" in site.edit(), "six have read it")
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "notice.py"), str(site.folder)],
        env=environment(state=str(site.folder / "state")),
        check=False,
    )
    assert done.returncode == 0
    assert "read 6 times so far" in site.show()

    assert site.press("disable", "No water until three.")[0] == 303
    assert "No water" not in site.show()
    servers.eventually(site.counted, "what came before is counted")
    assert site.press("enable", "Again.")[0] == 303
    assert "Again." in site.show()
    servers.eventually(lambda: "Read 1 time so far" in site.edit(), "each notice has its own readers")


@pytest.fixture
def notice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(HERE))
    api.configure(os.devnull, state=str(tmp_path / "state"))
    yield importlib.import_module("notice")
    api.configure(os.devnull)


def ask(
    folder: Path, method: str = "GET", fields: dict[str, str] | bytes | None = None, **changes: str
) -> tuple[str, str]:
    """Status and body of the form, asked as its own page would, but for the changes."""
    editor = importlib.import_module("notice_editor")
    body = fields if isinstance(fields, bytes) else urlencode(fields or {}).encode()
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "HTTP_HOST": "127.0.0.1:8000", "PATH_INFO": "/"}
    environ |= {"HTTP_AUTHORIZATION": basic(TOKEN), "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    environ |= changes
    setup_testing_defaults(environ)
    said: list[str] = []
    answer = editor.editor(folder, TOKEN)(environ, lambda status, headers: said.append(status))
    return said[0], b"".join(answer).decode()


def csrf(days: int = 0) -> str:
    token: str = importlib.import_module("notice_editor")._csrf(TOKEN, int(time.time() // 86_400) - days)
    return token


@pytest.mark.parametrize(
    ("method", "fields", "changes", "status"),
    [
        ("GET", {}, {"HTTP_AUTHORIZATION": ""}, 401),
        ("GET", {}, {"HTTP_AUTHORIZATION": "Basic ?"}, 401),
        ("GET", {}, {"HTTP_AUTHORIZATION": basic("another token here")}, 401),
        ("GET", {}, {"HTTP_AUTHORIZATION": basic("")}, 401),
        ("GET", {}, {"HTTP_AUTHORIZATION": basic("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"))}, 401),
        ("GET", {}, {"HTTP_HOST": "evil.example:8000"}, 400),
        ("GET", {}, {"HTTP_HOST": ""}, 400),
        ("GET", {}, {"PATH_INFO": "/other"}, 404),
        ("PUT", {}, {}, 405),
        ("POST", {"do": "enable", "text": "x"}, {}, 403),
        ("POST", {"do": "enable", "text": "x", "csrf": "0" * 64}, {}, 403),
        ("POST", {"do": "enable", "text": "x", "csrf": "é"}, {}, 403),
        ("POST", {"do": "enable", "text": "x", "csrf": "OLD"}, {}, 403),
        ("POST", {"do": "enable", "text": "x", "csrf": "OURS"}, {"HTTP_ORIGIN": "https://evil.example"}, 403),
        ("POST", {"do": "enable", "text": "x", "csrf": "OURS"}, {"HTTP_ORIGIN": "null"}, 403),
        ("POST", {"do": "enable", "text": " \n ", "csrf": "OURS"}, {}, 400),
        ("POST", {"do": "enable", "text": "x" * 2_001, "csrf": "OURS"}, {}, 400),
        ("POST", {"do": "burn", "text": "x", "csrf": "OURS"}, {}, 400),
        ("POST", {"text": "x", "csrf": "OURS"}, {}, 400),
        ("POST", b"\xff\xfe", {}, 400),
        ("POST", b"x", {"CONTENT_LENGTH": "-1"}, 413),
        ("POST", b"x", {"CONTENT_LENGTH": "99999999"}, 413),
        ("POST", b"x", {"CONTENT_LENGTH": "many"}, 400),
        ("POST", b"&".join(b"a=1" for _ in range(50)), {}, 400),
    ],
)
def test_what_the_form_refuses_changes_nothing(
    notice: Any, tmp_path: Path, method: str, fields: Any, changes: dict[str, str], status: int
) -> None:
    notice.publish(tmp_path)
    before = (tmp_path / "htdocs" / "index.html").read_bytes()
    if isinstance(fields, dict) and "csrf" in fields:
        fields = fields | {"csrf": {"OURS": csrf(), "OLD": csrf(2)}.get(fields["csrf"], fields["csrf"])}
    said, _ = ask(tmp_path, method, fields, **changes)
    assert said.startswith(str(status))
    assert (tmp_path / "htdocs" / "index.html").read_bytes() == before
    assert not (tmp_path / "notice.json").exists()


def version(folder: Path) -> str:
    return re.findall(r'name="version" value="(\w+)"', ask(folder)[1])[0]


def test_a_form_that_is_out_of_date_changes_nothing(notice: Any, tmp_path: Path) -> None:
    old = version(tmp_path)
    fields = {"csrf": csrf(), "version": old}
    assert ask(tmp_path, "POST", fields | {"do": "enable", "text": "Leave the harbour."})[0].startswith("303")
    for act in ("save", "enable", "disable"):
        said, body = ask(tmp_path, "POST", fields | {"do": act, "text": "An old draft"})
        assert said.startswith("409")
        assert "Somebody else" in body
    held = notice.read(tmp_path)
    assert (held.text, held.enabled) == ("Leave the harbour.", True)
    assert "Leave the harbour." in (tmp_path / "htdocs" / "index.html").read_text()
    fresh = {"csrf": csrf(), "version": version(tmp_path), "do": "disable", "text": held.text}
    assert ask(tmp_path, "POST", fresh)[0].startswith("303")


def test_counting_that_begins_later_does_not_make_a_form_out_of_date(notice: Any, tmp_path: Path) -> None:
    api.configure(os.devnull, state=str(tmp_path / "state"), backend="memcached://127.0.0.1:1")
    notice.change(tmp_path, "Fire.", True)
    seen = version(tmp_path)
    api.configure(os.devnull, state=str(tmp_path / "state"))
    notice.publish(tmp_path)
    assert notice.read(tmp_path).base == 0
    fields = {"csrf": csrf(), "version": seen, "do": "disable", "text": "Fire."}
    assert ask(tmp_path, "POST", fields)[0].startswith("303")


def test_a_page_that_cannot_be_written_is_told(notice: Any, tmp_path: Path) -> None:
    (tmp_path / "htdocs" / "index.html").mkdir(parents=True)
    said, body = ask(tmp_path, "POST", {"csrf": csrf(), "do": "enable", "text": "Fire."})
    assert said.startswith("503")
    assert "could not be written" in body
    assert os.listdir(tmp_path / "htdocs") == ["index.html"]
    for arguments, code in (([str(tmp_path)], 1), ([], 2)):
        done = subprocess.run(
            [sys.executable, "-P", str(HERE / "notice.py"), *arguments],
            env=environment(state=str(tmp_path / "state")),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.count("\n")) == (code, 1)


def test_a_preview_says_that_it_is_one(notice: Any, tmp_path: Path) -> None:
    notice.publish(tmp_path)
    said, body = ask(tmp_path, "POST", {"csrf": csrf(), "do": "preview", "text": "<body>"})
    assert said.startswith("200")
    assert body.count("A preview: not shown yet.") == 1
    assert "A preview" not in (tmp_path / "htdocs" / "index.html").read_text()


def test_blanks_between_words_and_paragraphs(notice: Any, tmp_path: Path) -> None:
    text = "Hall A\t9:00\r\n \t\r\nHall B\rClosed"
    assert ask(tmp_path, "POST", {"do": "enable", "text": text, "csrf": csrf()})[0].startswith("303")
    page = (tmp_path / "htdocs" / "index.html").read_text()
    assert "<p>Hall A 9:00</p>\n<p>Hall B<br>Closed</p>" in page


def test_hostile_words_are_words(notice: Any, tmp_path: Path) -> None:
    assert ask(tmp_path, "POST", {"do": "enable", "text": HOSTILE, "csrf": csrf(1)})[0].startswith("303")
    page = (tmp_path / "htdocs" / "index.html").read_text()
    shown = re.findall(r'<div dir="auto">\n<p>(.*)</p>\n</div>', page)[0]
    assert html.unescape(shown) == HOSTILE.replace("\x00\x1b", "")
    assert "<" not in shown
    assert page.count("</aside>") == 1
    _, form = ask(tmp_path)
    assert html.escape("<script>") in form
    assert "<script" not in form + page


def test_readers_see_whole_pages_only_while_writers_race(notice: Any, tmp_path: Path) -> None:
    words = ["a" * 2_000, "b" * 2_000]
    notice.change(tmp_path, words[0], True)
    path = tmp_path / "htdocs" / "index.html"
    done = threading.Event()

    def write() -> None:
        for n in range(30):
            notice.change(tmp_path, words[n % 2])
        done.set()

    def publish() -> None:
        while not done.is_set():
            notice.publish(tmp_path)

    threads = [threading.Thread(target=write), threading.Thread(target=publish)]
    for thread in threads:
        thread.start()
    while not done.is_set():
        page = path.read_text()
        assert page.startswith("<!doctype html>")
        assert page.endswith("</html>\n")
        assert sum(word in page for word in words) == 1
    for thread in threads:
        thread.join()
    assert words[1] in path.read_text()  # the last that was written, whoever published last
    assert sorted(os.listdir(path.parent)) == ["index.html"]


def test_a_publication_under_way_does_not_bring_a_notice_back(notice: Any, tmp_path: Path, monkeypatch: Any) -> None:
    notice.change(tmp_path, "Fire.", True)
    inside, go_on = threading.Event(), threading.Event()
    readers_of = notice.readers_of

    def slow(of: Any) -> Any:
        if threading.current_thread() is publisher:
            inside.set()
            go_on.wait(10)
        return readers_of(of)

    monkeypatch.setattr(notice, "readers_of", slow)
    publisher = threading.Thread(target=notice.publish, args=(tmp_path,))
    publisher.start()
    assert inside.wait(10)
    down = threading.Thread(target=notice.change, args=(tmp_path, None, False))
    down.start()
    go_on.set()
    publisher.join()
    down.join()
    assert "Fire." not in (tmp_path / "htdocs" / "index.html").read_text()


def test_without_a_store_the_notice_is_shown_without_a_number(
    notice: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.configure(os.devnull, state=str(tmp_path / "state"), backend="memcached://127.0.0.1:1")
    notice.change(tmp_path, "Fire.", True)
    page = (tmp_path / "htdocs" / "index.html").read_text()
    assert "Fire." in page
    assert "so far" not in page
    assert capsys.readouterr().err.startswith("notice_page: ")
    api.configure(os.devnull, state=str(tmp_path / "state"))
    notice.publish(tmp_path)
    assert "read 0 times so far" in (tmp_path / "htdocs" / "index.html").read_text()


@pytest.mark.parametrize(
    "held",
    ["", "{", "[]", "null", '{"text": 1}', '{"else": 1}', '{"enabled": "yes"}', '{"enabled": true, "since": "soon"}'],
)
def test_a_damaged_file_leaves_the_page_as_it_is(notice: Any, tmp_path: Path, held: str) -> None:
    notice.change(tmp_path, "Fire.", True)
    before = (tmp_path / "htdocs" / "index.html").read_bytes()
    (tmp_path / "notice.json").write_text(held)
    with pytest.raises(ValueError, match=r"notice\.json is damaged"):
        notice.publish(tmp_path)
    assert (tmp_path / "htdocs" / "index.html").read_bytes() == before
    assert "is damaged" in ask(tmp_path)[1]
    assert ask(tmp_path, "POST", {"do": "enable", "text": "Again.", "csrf": csrf()})[0].startswith("303")
    assert json.loads((tmp_path / "notice.json").read_text())["text"] == "Again."


def test_the_token_is_its_owners(notice: Any, tmp_path: Path) -> None:
    editor = importlib.import_module("notice_editor")
    token = editor.token_of(tmp_path)
    assert len(token) >= 16
    assert editor.token_of(tmp_path) == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ValueError, match="fewer than 16"):
        editor.token_of(tmp_path)
