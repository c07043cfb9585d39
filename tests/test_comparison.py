"""What others count on the same log: docs/comparison.md holds what the programs say, and no line goes unexplained."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cli_helpers import REPOSITORY
from shared_data import needs_shared

from pipelog.testing import servers

sys.path.append(str(Path(__file__).parent / "benchmarks"))

import comparison
import pages

SITE = "www.example.org"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINE = '192.0.2.7 - - [22/Nov/2026:12:00:{:02} +0000] "{} HTTP/1.1" {} 512 "-" "{}"\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    requests = [
        ("GET /", 200, BROWSER),
        ("GET /a?b=c", 304, BROWSER),
        ("GET /a", 200, BROWSER),
        ("HEAD /a", 200, BROWSER),
        ("GET /old", 301, BROWSER),
        ("GET /a", 200, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        ("GET /kit.pdf", 200, BROWSER),
        ("GET /lib.js", 200, BROWSER),
    ]
    path = tmp_path / "access.log"
    path.write_text("".join(LINE.format(second, *rest) for second, rest in enumerate(requests)))
    return path


def test_views_are_those_of_a_rollup(log: Path, tmp_path: Path) -> None:
    lines = comparison.read(log, SITE)
    assert [line.why for line in lines] == [
        *("", "", "", "HEAD requests", "status 301", "programs", "", "files that belong to a page")
    ]
    assert set(comparison.pipelog(lines, log, SITE, tmp_path).pages.values()) == {"/", "/a", "/kit.pdf"}
    with pytest.raises(comparison.ComparisonError, match="4 in one way, 3 in the other"):
        comparison.pipelog([replace(lines[0], why="made up"), *lines[1:]], log, SITE, tmp_path)


def test_differences_have_reasons(log: Path) -> None:
    lines = comparison.read(log, SITE)
    tool = comparison.Tool("x", "hits", {1: "/", 2: "/a", 4: "/a"}, lambda line: comparison.DOWNLOADS)
    assert comparison.differences(tool, lines) == {"HEAD requests": 1, comparison.DOWNLOADS: -2}
    with pytest.raises(comparison.ComparisonError, match="-2 lines differ, and the reason '' is unknown"):
        comparison.differences(replace(tool, leaves_out=lambda line: ""), lines)


def test_those_that_were_read(log: Path) -> None:
    lines = comparison.read(log, SITE)
    assert list(comparison.goatcounter(lines).pages) == [1, 2, 3, 4, 7]
    assert list(comparison.matomo(lines).pages) == [1, 2, 3, 4]


def test_those_that_run(log: Path, tmp_path: Path) -> None:
    servers.require("goaccess")
    if not comparison.AWSTATS.exists():
        servers.missing("AWStats is not installed")
    lines = comparison.read(log, SITE)
    assert list(comparison.goaccess(lines, tmp_path).pages) == [1, 2, 3, 4, 5, 6]
    assert list(comparison.goaccess(lines, tmp_path, "--ignore-crawlers").pages) == [1, 2, 3, 4, 5]
    assert sorted(comparison.awstats(lines, tmp_path, SITE).pages) == [1, 2, 3, 4]


@needs_shared
def test_the_page_holds_what_the_programs_say() -> None:
    servers.require("goaccess")
    if not comparison.AWSTATS.exists():
        servers.missing("AWStats is not installed")
    page = pages.part(REPOSITORY / "docs" / "comparison.md", comparison.COMMAND)
    if comparison.versions() not in page:
        pytest.skip("other releases of GoAccess or AWStats than those of the page")
    assert comparison.compare(comparison.LOG, "www.semicomplete.com") == page
