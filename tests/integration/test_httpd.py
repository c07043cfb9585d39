"""The whole main job under a real httpd: requests, live numbers, the day's rollup, lasting numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from httpd_helpers import Httpd

from pipelog.config import Settings, load
from pipelog.daily import rollup
from pipelog.errors import PartialDayError
from pipelog.intake.journal import files_of_days
from pipelog.plugins import sink as sink_of
from pipelog.shortcuts import hits_of
from pipelog.testing import servers
from pipelog.testing.servers import eventually

PAGES = {"/releases/1/": 7, "/releases/2/": 3, "/releases/2/?utm_source=mail": 2, "/caf%C3%A9/": 1}
LOGGER = f'CustomLog "|/usr/bin/env --ignore-signal=TERM {sys.executable} -P -m pipelog %s" combined'


@pytest.fixture(params=["sqlite", "memcached"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    flags: dict[str, str | None] = {"state": str(tmp_path / "state"), "source": "test"}
    if request.param == "sqlite":
        yield load(flags, environ={})
        return
    with servers.memcached() as server:
        yield load(flags | {"backend": server.url}, environ={})


def options(settings: Settings) -> str:
    return f"--state {settings.state} --backend {settings.backend} --source test"


@pytest.fixture
def httpd(settings: Settings, tmp_path: Path) -> Iterator[Httpd]:
    pages = ("releases/1/index.html", "releases/2/index.html", "café/index.html", "style.css")
    made = Httpd(tmp_path, LOGGER % options(settings), pages=pages)
    yield made
    made.stop()


def test_from_apaches_pipe_to_a_number_in_a_page_and_into_history(httpd: Httpd, settings: Settings) -> None:
    today = date.today()
    for page, times in PAGES.items():
        for _ in range(times):
            assert httpd.get(page) == 200
    for page in ("/missing/", "/style.css"):
        httpd.get(page)
    httpd.get("/releases/1/", agent="Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)")
    httpd.get("/releases/1/", referrer="https://www.google.com/")
    hits = hits_of(settings)
    wanted = {"/releases/1/": 8, "/releases/2/": 5, "/café/": 1, "/caf%C3%A9/": 1, "/style.css": 0, "/missing/": 0}
    eventually(lambda: {page: hits.today(page) for page in wanted} == wanted, "today's numbers are there")
    eventually(lambda: hits.breakdown("/releases/1/", "bot") == {"ai-training/GPTBot": 1}, "the bot is counted apart")
    assert hits.breakdown("/releases/1/", "referrer") == {"search/Google": 1}
    assert hits.top(2) == [("/releases/1/", 8), ("/releases/2/", 5)]
    assert hits.top(5, by="missing") == [("/missing/", 1)]
    assert sum(hits.per_minute().values()) == 14
    assert hits.total("/releases/1/") == 8

    files = list(files_of_days(settings.state, today, today))
    with sink_of(settings.sink) as history:
        for _ in range(2):
            rollup([*map(_part, files)], today, history, source="test")
            finished = hits_of(settings)  # of another process, which finds the day in the history
            assert {page: finished.total(page) for page in wanted} == wanted
            assert {page: finished.today(page) for page in wanted} == wanted
            (info,) = history.days()
            assert (info.day, info.source, info.lines) == (today, "test", 17)
        before = list(history.rows(today, today))
        thinner = Path(settings.state).parent / "thinner.log"
        thinner.write_bytes(b"".join(Path(path).read_bytes()[:2000] for path, _, _ in files).rpartition(b"\n")[0])
        with pytest.raises(PartialDayError, match="--force"):
            rollup([str(thinner)], today, history, source="test")
        assert list(history.rows(today, today)) == before


def _part(file: tuple[str, int, int | None]) -> object:
    from pipelog.daily import LogPart

    return LogPart(*file)


def test_nothing_is_left_behind_by_a_start_without_requests(tmp_path: Path) -> None:
    state = tmp_path / "state"
    made = Httpd(tmp_path, LOGGER % f"--state {state}")
    made.stop()
    assert not state.exists()
    assert "pipelog[" not in made.said()
