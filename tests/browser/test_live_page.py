"""The live page in a real browser: it draws itself anew, shows hostile names as text, and serves everybody."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

import pytest
from browser_helpers import AGENT, chromium
from cli_helpers import PIPELOG, REPOSITORY, environment, pipelog
from httpd_helpers import Httpd
from press_month import SITE, lines

from pipelog.backends.keys import Keys
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.model import Coordinate
from pipelog.overview import Overview
from pipelog.periods import Period
from pipelog.queries import Hits
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing import servers
from pipelog.web import LivePage, report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = REPOSITORY / "docs" / "screenshots"
NOW = datetime(2026, 11, 26, 15, 42, 30).astimezone()
PAGE = "page?days=-30d&" + urlencode({"name": "/releases/night-trains-return/"})
PATIENCE = 20_000  # milliseconds
WITHIN = 3.0  # seconds from a view to its number
LARGEST = 200_000  # bytes of a screenshot
HOSTILE = [
    '/"><script>alert(1)</script>',
    "/<img src=x onerror=alert(2)>",
    "/\u202egnp.exe",
    "/\x1b[31mred\x07",
    "/%FF%FE",
    "/'\"`{{7*7}}",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def served(application: Any) -> Iterator[str]:
    """The address of an application that waitress serves in this process."""
    waitress = pytest.importorskip("waitress")
    server = waitress.create_server(application, host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}/"
    server.close()


class Month(NamedTuple):
    live: str  #: address of the live page
    report: str  #: and of a report


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """The live page over a month of an invented press office, in the afternoon of a Thursday."""
    folder = tmp_path_factory.mktemp("month")
    state = folder / "state"
    before: list[str] = []
    today: list[str] = []
    for line in lines(NOW):
        (today if f"[{NOW:%d/%b/%Y}:" in line else before).append(line)
    (folder / "access.log").write_text("".join(before))
    settings = {"format": "vhost_combined", "site": SITE, "timezone": "UTC"}
    first, last = (f"{NOW - timedelta(days=ago):%Y-%m-%d}" for ago in (30, 1))
    done = pipelog(state, "rollup", "--since", first, "--until", last, str(folder / "access.log"), **settings)
    assert done.returncode == 0, done.stderr
    done = pipelog(state, "count", stdin="".join(today).encode(), **settings)
    assert done.returncode == 0, done.stderr

    def hits() -> Hits:
        return Hits(
            counters=SQLiteBackend(state / "counters.db"),
            history=SQLiteSink(state / "history.db"),
            today=lambda: NOW.date(),
        )

    with served(LivePage(hits, now=lambda: NOW, home=SITE)) as address:
        period = Period(NOW.date() - timedelta(days=30), NOW.date() - timedelta(days=1))
        found = report.report(Overview(hits()), period, NOW, site=None, home=SITE)
        report.write(folder / "report.html", report.as_html(found, NOW))
        yield Month(address, (folder / "report.html").as_uri())


@contextmanager
def page(browser: Browser, **context: Any) -> Iterator[Page]:
    """A tab that looks like a person's, and must not complain: no error, no word of the content policy."""
    said: list[str] = []
    opened = browser.new_context(**({"user_agent": AGENT, "locale": "en-GB"} | context))
    tab = opened.new_page()
    tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    yield tab
    opened.close()
    assert said == []
    assert all(url.startswith(("http://127.0.0.1:", "file:")) for url in asked), asked


def expect(found: Locator) -> Any:
    """Playwright's: it waits, and needs no JavaScript of ours in a page whose policy forbids it."""
    from playwright import sync_api

    return sync_api.expect(found)


# -- the real chain: httpd, pipelog, memcached, the page --


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[tuple[Httpd, str]]:
    """A running httpd that logs to pipelog, and the address of the live page over the same memcached."""
    python = PIPELOG[0]
    work = tmp_path / "work"
    work.mkdir()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    with servers.memcached() as store:
        state = work / "state"
        more = (
            f'CustomLog "|/usr/bin/env --ignore-signal=TERM PIPELOG_CONFIG=/dev/null {python} -P -m pipelog'
            f' --state {state} --backend {store.url} --flush 0.2" combined'
        )
        httpd = Httpd(work, more, pages=("index.html", "releases/1/index.html", "favicon.ico"))
        serve = subprocess.Popen(
            [*PIPELOG, "serve", "--listen", "127.0.0.1:0", "--backend", store.url],
            env=environment(state=str(state)),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert serve.stdout
            yield httpd, serve.stdout.readline().strip()
        finally:
            serve.terminate()
            serve.communicate(timeout=20)
            httpd.stop()


def test_it_draws_itself_anew_and_shows_hostile_names_as_text(browser: Browser, chain: tuple[Httpd, str]) -> None:
    httpd, live = chain
    with page(browser) as reader, page(browser) as owner:
        reader.goto(f"http://127.0.0.1:{httpd.port}/releases/1/")
        servers.eventually(lambda: _loads_with(owner, live, "1 view today"), "the first view is there")
        assert _redrawn_in_time(reader, owner)
        assert re.match(r"\d+ views today", owner.title())
        # Anybody can ask for anything, come from anywhere and call themselves whatever they like.
        for name in HOSTILE:
            raw = quote(name.encode("utf-8", "surrogateescape"), safe="/%")
            httpd.get(raw, referrer=f"https://{quote(name[1:])}.example/{raw}")
            httpd.get("/releases/1/?utm_source=" + quote(name), referrer="https://www.bing.com/search?q=" + quote(name))
            httpd.get("/", agent=f"{quote(name, safe='<>/ ()=')}bot/1.0 (+http://example.org)")
        expect(owner.locator("#keywords")).to_contain_text('/"><script>alert(1)</script>', timeout=PATIENCE)
        expect(owner.locator("#keywords")).to_contain_text("<img src=x onerror=alert(2)>", timeout=PATIENCE)
        for address in ("missing", "keywords", "campaigns", "bots", "sources", "pages", "?days=-7d..today"):
            owner.goto(live + address)
            assert owner.locator("main script, main img, main [onerror], main [style]").count() == 0
            text = owner.content()
            assert not re.search("[\x00-\x08\x0e-\x1f\x7f\u202a-\u202e]", text)
        assert r"\u202e" in _text(owner, live + "missing")
        assert "/%1B%5B31mred%07" in _text(owner, live + "missing")


def test_names_as_no_log_would_have_them(browser: Browser, tmp_path: Path) -> None:
    """A resolver may name pages as it likes, and so may other stores."""
    keys, day = Keys(), NOW.date()
    counts = {
        keys.counter(Coordinate(day, "", page, dimension, value)): 2
        for name in HOSTILE
        for page, dimension, value in (
            (name, "views", ""),
            (name, "missing", ""),
            (name, "bot", f"ai-training/{name}"),
            ("/", "referrer", f"site/{name}"),
            ("/", "keyword", name),
            ("/", "campaign", name),
            ("", "status", name),
        )
    } | {
        keys.counter(Coordinate(day, HOSTILE[0], "", "requests", "")): 1,
        keys.counter(Coordinate(day, "", "", "requests", "")): 2,
    }
    with SQLiteBackend(tmp_path / "counters.db") as backend:
        backend.commit(counts, {}, ttl=10**6)

    def hits() -> Hits:
        return Hits(counters=SQLiteBackend(tmp_path / "counters.db"), history=None, today=lambda: day)

    with served(LivePage(hits, now=lambda: NOW)) as address, page(browser) as tab:
        tab.goto(address)
        for table in ("pages", "missing", "bots", "sources", "keywords", "campaigns", "statuses", "sites"):
            text = tab.locator(f"#{table}").text_content() or ""
            assert "<script>alert(1)</script>" in text
            assert table == "sites" or r"\u202egnp.exe" in text
            assert table == "sites" or r"\x1b[31mred\x07" in text
        assert tab.locator("main script, main img, main [onerror], main [style]").count() == 0
        tab.get_by_role("link", name="gnp.exe").first.click()
        assert tab.locator("h1").text_content() == r"/\u202egnp.exe"


def _redrawn_in_time(reader: Page, owner: Page) -> bool:
    """Whether a view stands in the open page within 3 s; once in five, for a busy machine's sake."""
    for views in range(2, 7):
        reader.reload()
        begun = time.monotonic()
        expect(owner.locator("#now-title")).to_have_text(f"{views} views today", timeout=PATIENCE)
        if time.monotonic() - begun < WITHIN:
            return True
    return False


def _loads_with(tab: Page, address: str, words: str) -> bool:
    tab.goto(address)
    return words in (tab.locator("body").text_content() or "")


def _text(tab: Page, address: str) -> str:
    tab.goto(address)
    return tab.locator("main").text_content() or ""


# -- for everybody --


def test_without_javascript(browser: Browser, month: Month) -> None:
    with page(browser, java_script_enabled=False) as tab:
        tab.goto(month.live)
        assert "views today" in (tab.locator("h1").text_content() or "")
        tab.get_by_role("link", name="/releases/night-trains-return/").first.click()
        assert tab.locator("h1").text_content() == "/releases/night-trains-return/"
        tab.get_by_role("link", name="30 days", exact=True).click()
        assert tab.locator("svg.chart .bar").count() == 30
        tab.get_by_label("First day").fill("2026-11-10")
        tab.get_by_label("Last day").fill("2026-11-12")
        tab.get_by_role("button", name="Show").click()
        assert "10 November 2026 to 12 November 2026" in (tab.locator("main").text_content() or "")
        tab.get_by_label("Search pages").fill("TRAIN")
        tab.get_by_role("button", name="Search").click()
        assert tab.locator("tbody th").all_text_contents() == ["/releases/night-trains-return/"]


def test_by_keyboard(browser: Browser, month: Month) -> None:
    with page(browser) as tab:
        tab.goto(month.live)
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.textContent") == "Skip to the numbers"
        tab.keyboard.press("Enter")
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.closest('#live') !== null")
        link = tab.locator("#pages tbody a").first
        link.focus()
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert tab.evaluate(outline) == "solid"
        # What has the focus keeps it when its section is drawn anew.
        href = link.get_attribute("href")
        tab.evaluate("document.querySelector('#pages td.n').textContent = '0'")
        expect(tab.locator("#pages td.n").first).not_to_have_text("0", timeout=PATIENCE)
        assert tab.evaluate("document.activeElement.getAttribute('href')") == href
        tab.keyboard.press("Enter")
        tab.wait_for_url(re.compile("/page"))


def test_it_stops_when_nobody_looks(browser: Browser, month: Month) -> None:
    with page(browser) as tab:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url) if "part=1" in request.url else None)
        tab.goto(month.live)
        hide = """value => {
            Object.defineProperty(document, "hidden", { value, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        tab.evaluate(hide, True)
        tab.wait_for_timeout(2_500)
        assert asked == []
        tab.evaluate(hide, False)
        expect(tab.locator("#state")).to_have_text("Live.", timeout=PATIENCE)
        assert asked


ADDRESSES = ["", PAGE, "?days=-30d", "search?q=train", "page?name=/nothing"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, month: Month, scheme: str) -> None:
    if not AXE.exists():
        servers.missing("axe-core is not installed (tests/servers.sh does it)")
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)  # type: ignore[arg-type]
    tab = context.new_page()
    every = [month.report, *(month.live + address for address in ADDRESSES)]
    for address in every if scheme == "light" else every[:3]:
        tab.goto(address)
        tab.add_script_tag(path=AXE)
        found = tab.evaluate("axe.run({ resultTypes: ['violations'] })")
        serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in serious] == [], address
        assert len(found["passes"]) > 10
    context.close()


def test_it_fits_a_phone(browser: Browser, month: Month) -> None:
    with page(browser, viewport={"width": 360, "height": 740}) as tab:
        for address in [month.report, *(month.live + address for address in ADDRESSES if "nothing" not in address)]:
            tab.goto(address)
            assert tab.evaluate("document.documentElement.scrollWidth") <= 360, address


# -- the screenshots of the documentation --

SHOTS = {
    "desktop": ("", {"viewport": {"width": 1200, "height": 1180}}),
    "dark": ("", {"viewport": {"width": 1200, "height": 1180}, "color_scheme": "dark"}),
    "phone": ("", {"viewport": {"width": 390, "height": 1100}, "device_scale_factor": 1.5}),
    "page": (PAGE, {"viewport": {"width": 1200, "height": 1180}}),
    "report": ("", {"viewport": {"width": 1200, "height": 1180}}),
}


@pytest.mark.parametrize("name", SHOTS)
def test_screenshots(browser: Browser, month: Month, name: str, tmp_path: Path) -> None:
    """With SCREENSHOTS=1 they take the place of those in docs/; else it is only seen that they can be made."""
    address, context = SHOTS[name]
    folder = SCREENSHOTS if os.environ.get("SCREENSHOTS") == "1" else tmp_path
    with page(browser, **context) as tab:
        tab.goto(month.report if name == "report" else month.live + address)
        file = folder / f"{name}.png"
        tab.screenshot(path=file, animations="disabled")
    assert file.read_bytes().startswith(b"\x89PNG")
    assert file.stat().st_size < LARGEST
