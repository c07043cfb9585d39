"""The site of examples/press_releases as its readers, its owner and cron meet it: httpd, pipelog, memcached, page."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser_helpers import AGENT, chromium
from cli_helpers import EXAMPLES, environment
from httpd_helpers import program

from pipelog.testing import servers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = EXAMPLES / "press_releases"
BOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"
FERRY = "/releases/night-ferry/"


class Site:
    """The running example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Not in the environment of a production machine: the example must bring all of its settings.
        self.process = subprocess.Popen(
            [sys.executable, HERE / "press_site.py", "--folder", folder],
            stdout=subprocess.PIPE,
            text=True,
            env=environment() | {"PIPELOG_BACKEND": "nosuch://host"},
        )
        assert self.process.stdout
        said = ""
        while "Ctrl-C" not in said and (line := self.process.stdout.readline()):
            said += line
        found = re.search(r"http://127\.0\.0\.1:(\d+)/owner/ .*password: (\S+)", said)
        assert found, said
        self.port, self.password = int(found[1]), found[2]
        self.address = f"http://127.0.0.1:{self.port}"

    def get(self, path: str, *, agent: str = AGENT, referrer: str = "") -> tuple[int, str]:
        """Status and body of a page, asked for through httpd."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"User-Agent": agent} | ({"Referer": referrer} if referrer else {})
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def listed(self, path: str) -> tuple[int, int]:
        """Views today and in all that the first page shows for a release; looking there is no view of it."""
        status, body = self.get("/", agent=BOT)
        assert status == 200
        found = re.search(rf'href="{path}">.*?<b>([\d,]+)</b> today <span>([\d,]+) in all', body, re.S)
        assert found, body
        today, total = (int(number.replace(",", "")) for number in found.groups())
        return today, total

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the site."""
        return subprocess.run(
            [sys.executable, HERE / "manage.py", *arguments], env=environment() | {"PRESS_FOLDER": str(self.folder)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The site, started by its one command and ended by Ctrl-C, which leaves nothing running."""
    servers.require("memcached")
    program()
    # Not in pytest's folder, which httpd's own user may not enter.
    with tempfile.TemporaryDirectory(prefix="pipelog-") as folder:
        Path(folder).chmod(0o755)
        made = Site(Path(folder, "site"))
        yield made
        made.process.send_signal(signal.SIGINT)
        out, _ = made.process.communicate(timeout=20)
        assert (made.process.returncode, out) == (0, "\nAll of it has ended.\n")
        servers.eventually(lambda: not list(_processes(folder)), "all processes have ended")


def _processes(word: str) -> Iterator[str]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (entry / "cmdline").read_bytes():
                yield entry.name
        except OSError:
            pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window that forgets everything afterwards."""
    context = browser.new_context(user_agent=AGENT, viewport={"width": 1000, "height": 1080})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_a_click_in_the_browser_raises_the_number_on_the_next_load(site: Site, page: Page) -> None:
    before = site.listed(FERRY)
    page.goto(site.address)
    page.get_by_role("link", name="Night ferry to Halmar").click()
    seen = int(page.locator("#today").inner_text())
    assert seen == before[0]  # the page was made before its own line was written
    servers.eventually(lambda: site.listed(FERRY) == (before[0] + 1, before[1] + 1), "the click is counted")
    page.reload()
    assert int(page.locator("#today").inner_text()) == seen + 1
    assert page.locator("#all").inner_text() == f"{before[1] + 1:,}"
    assert page.evaluate("getComputedStyle(document.querySelector('header')).display") == "flex"


def test_both_addresses_of_a_release_are_one_page(site: Site) -> None:
    path = "/releases/lighthouse-opens/"
    today, total = site.listed(path)
    for address in (path, "/r/6/", path + "?from=mail"):
        assert site.get(address)[0] == 200
    servers.eventually(lambda: site.listed(path) == (today + 3, total + 3), "all three are counted")


def test_bots_and_missing_pages_are_no_views(site: Site) -> None:
    path = "/releases/shore-power/"
    today, total = site.listed(path)
    assert site.get(path, agent=BOT)[0] == 200
    assert site.get("/releases/nosuch/")[0] == 404
    assert site.get(path)[0] == 200
    servers.eventually(lambda: site.listed(path) == (today + 1, total + 1), "the person is counted")


def test_the_owner_sees_sources_words_and_programs_and_keeps_hits_when_an_address_changes(
    site: Site, page: Page
) -> None:
    path, new = "/releases/winter-timetable/", "/releases/what-changes-in-winter/"
    total = site.listed(path)[1]
    for query in ("", "?utm_source=mail"):
        assert site.get(path + query, referrer="https://news.ycombinator.com/")[0] == 200
    for words in ("ferry+halmar", "%3Cscript%3Ealert(1)%3C/script%3E"):
        assert site.get("/search/?q=" + words)[0] == 200
    assert site.get(path, agent=BOT)[0] == 200
    assert site.get("/releases/nosuch/")[0] == 404
    servers.eventually(lambda: site.listed(path)[1] == total + 2, "the views are counted")

    page.goto(site.address + "/owner/")
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/owner/")
    text = page.locator("main").inner_text()
    assert re.search(r"social/Hacker News\s+2\b", text)
    assert "ferry halmar" in text
    assert "<script>alert(1)</script>" in text
    assert "ai-training/GPTBot" in text
    assert "/releases/nosuch/" in text

    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.get_by_role("link", name="Live page").click()
    page.wait_for_url("**/pipelog/live/")
    page.get_by_text("press.release:7").first.wait_for()
    pages = page.request.get(page.url + "pages.json").json()["pages"]
    assert not [row for row in pages if "pipelog" in row["page"]]  # it does not count itself
    assert said == []

    page.goto(site.address + "/admin/press/release/7/change/")
    page.get_by_label("Slug").fill(new.split("/")[2])
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/release/")
    assert site.listed(new)[1] == total + 2
    assert site.get(new)[0] == 200
    servers.eventually(lambda: site.listed(new)[1] == total + 3, "it goes on where it was")
    if folder := os.environ.get("SCREENSHOTS"):  # such as docs/screenshots
        page.goto(site.address + new)
        page.screenshot(path=Path(folder, "press-release.png"))


def test_pages_are_there_without_their_counters(site: Site) -> None:
    [memcached] = [pid for pid in _processes("memcached.sock") if pid in set(_processes(str(site.folder)))]
    os.kill(int(memcached), signal.SIGSTOP)
    try:
        servers.eventually(lambda: _without(site.get(FERRY)) == (200, True), "the page has no number")
    finally:
        os.kill(int(memcached), signal.SIGCONT)
    servers.eventually(lambda: "–</b>" not in site.get(FERRY)[1], "the numbers are back")


def _without(answer: tuple[int, str]) -> tuple[int, bool]:
    return answer[0], '<b id="today">–</b> views today' in answer[1]


def test_the_crontab(site: Site) -> None:
    """Last, for today is final then."""
    lines = [text for text in (HERE / "crontab").read_text().splitlines() if text[:1].isdigit()]
    assert len(lines) == 2
    words = shlex.split(lines[0].split(maxsplit=5)[5])
    assert words[:2] == ["/srv/venv/bin/python", "/srv/press/site/manage.py"]
    done = site.manage(*words[2:], "today", "--force")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert re.search(r" lines, \d+ views of \d+ pages written", done.stderr)
    assert "press.release:8" in site.manage("pipelog", "top", "today", "--output", "csv").stdout
