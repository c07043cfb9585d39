"""docs/counting.md is true: each row of its tables is run."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from cli_helpers import BROWSER, REPOSITORY
from counting_helpers import by_definition

from pipelog import config
from pipelog.counting.pages import PageNamer, canonical
from pipelog.counting.rules import Rules
from pipelog.counting.tally import Batch, Tallier
from pipelog.counting.views import Judge
from pipelog.counting.visitors import Visitors
from pipelog.model import Tally
from pipelog.parsing.clf import clf_time
from pipelog.parsing.logformat import LogFormat

TEXT = (REPOSITORY / "docs" / "counting.md").read_text("utf-8")
FORMAT = '%h %t "%r" %>s %b "%{User-Agent}i" "%{Sec-Purpose}i"'
OUTCOMES = {"a view": {"views"}, "a bot": {"bot"}, "a missing page": {"missing"}, "nothing": set()}


def table(first: str) -> list[list[str]]:
    """The cells of the table whose header begins with this cell, marks of code removed."""
    [found] = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", TEXT, re.M)
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in found.splitlines()]


def counted(line: str, format: str, rules: Rules | None = None) -> Tally:
    """What a line counts for, in both ways, which agree."""
    rules, parsed, tally, batch = rules or Rules(), LogFormat(format), Tally(), Batch()
    columns = parsed.columns(line.encode() + b"\n")
    assert not columns.bad
    tallier = Tallier(rules, parsed)
    tallier.add(columns, batch)
    tallier.tally(batch, tally)
    assert tally == by_definition(line.encode(), format, rules)
    return tally


def rules_of(setting: str) -> Rules:
    given = tomllib.loads("\n".join(setting.split("; ")))
    return Rules(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


@pytest.mark.parametrize(("request_", "status", "agent", "purpose", "outcome", "why"), table("request"))
def test_views(request_: str, status: str, agent: str, purpose: str, outcome: str, why: str) -> None:
    request_ += " HTTP/1.1" if request_ != "-" else ""
    agent = BROWSER if agent == "Firefox" else agent
    tally = counted(f'h [22/Nov/2026:12:00:00 +0000] "{request_}" {status} 512 "{agent}" "{purpose}"', FORMAT)
    assert {c.dimension for c in tally if c.page} == OUTCOMES[outcome]
    assert {c.dimension for c in tally if not c.page} - {"minute"} == {"requests", "status", "bytes"}


@pytest.mark.parametrize(("target", "page", "why"), table("target"))
def test_pages(target: str, page: str, why: str) -> None:
    assert canonical(target) == PageNamer(Rules())(target) == (None if page == "none" else page)


@pytest.mark.parametrize(("setting", "target", "page", "why"), table("setting"))
def test_pages_that_are_the_same(setting: str, target: str, page: str, why: str) -> None:
    rules = rules_of(setting)
    assert PageNamer(rules)(target) == page
    tally = counted(f'h [22/Nov/2026:12:00:00 +0000] "GET {target} HTTP/1.1" 200 5 "{BROWSER}" "-"', FORMAT, rules)
    assert {c.page for c in tally if c.dimension == "views"} == {page}


@pytest.mark.parametrize(("stamp", "zone", "day", "minute", "why"), table("stamp in the line"))
def test_time(stamp: str, zone: str, day: str, minute: str, why: str) -> None:
    rules = Rules(timezone=zone)
    assert Judge(rules).stamp(clf_time(stamp.encode())) == (date.fromisoformat(day), minute)
    tally = counted(f'h [{stamp}] "GET /a HTTP/1.1" 200 5 "{BROWSER}" "-"', FORMAT, rules)
    assert {c.day.isoformat() for c in tally} == {day}
    assert [c.value for c in tally if c.dimension == "minute"] == [minute]


@pytest.mark.parametrize(("begin", "host", "site", "why"), table("format begins with"))
def test_sites(begin: str, host: str, site: str, why: str) -> None:
    rules = Rules(site="fallback.example")
    tally = counted(f'{host} [22/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5', f'{begin} %t "%r" %>s %b', rules)
    assert {c.site for c in tally} == {site}


@pytest.mark.parametrize(("site", "target", "page"), table("site"))
def test_a_site_with_rules_of_its_own(site: str, target: str, page: str, tmp_path: Path) -> None:
    [text] = [block for block in re.findall(r"^```toml\n(.*?)^```$", TEXT, re.M | re.S) if "[site." in block]
    (tmp_path / "pipelog.toml").write_text(text)
    settings = config.load({"state": str(tmp_path)}, config=tmp_path / "pipelog.toml", environ={})
    line = f'{site}:443 [22/Nov/2026:12:00:00 +0000] "GET {target} HTTP/1.1" 200 5'
    tally = counted(line, '%v:%p %t "%r" %>s %b', settings.counting)
    assert {(c.site, c.page) for c in tally if c.dimension == "views"} == {(site, page)}


@pytest.mark.parametrize(("one", "other", "people", "why"), table("one line"))
def test_visitors(one: str, other: str, people: str, why: str) -> None:
    parsed, batch = LogFormat("combined"), Batch()
    visitors = Visitors(lambda day: bytes(16), pages=False)
    tallier = Tallier(Rules(visitors=True), parsed, None, visitors)
    for host in (one, other):
        address, _, agent = host.replace("`", "").partition(" with another agent")
        agent = BROWSER if host == address else BROWSER.replace("Linux", "BSD")
        raw = f'{address} - - [22/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "{agent}"\n'
        tallier.add(parsed.columns(raw.encode()), batch)
    assert visitors.sketches[date(2026, 11, 22), "", ""].count() == int(people)
