"""A real browser for tests: Debian's Chromium, driven by Playwright, with no word to anybody but loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelog.testing import servers

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: What a person's Chromium says. The one without a window says HeadlessChrome, and is rightly no reader.
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; the test is skipped (in CI: fails) where there is none."""
    program = servers.require("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        servers.missing("the package playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
