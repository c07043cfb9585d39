"""`pipelog.contrib.flask`: a real application, and numbers that a real logger has counted."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_helpers import YESTERDAY, line, pipelog

flask = pytest.importorskip("flask")

from flask import Flask, render_template_string  # noqa: E402

from pipelog.contrib.flask import Pipelog  # noqa: E402


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yesterday rolled up: 5 views of /releases/1/. Today: 3 of it, 1 of /café/."""
    folder = tmp_path_factory.mktemp("flask") / "state"
    today = line("/releases/1/") * 3 + line("/caf%C3%A9/")
    assert pipelog(folder, stdin=line("/releases/1/", YESTERDAY) * 5 + today).returncode == 0
    assert pipelog(folder, "rollup").returncode == 0
    return folder


@pytest.fixture
def made(state: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Flask]:
    """Makes an application whose every page is a template."""
    for name in [name for name in os.environ if name.startswith("PIPELOG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIPELOG_CONFIG", os.devnull)

    def make(template: str, **settings: Any) -> Flask:
        app = Flask("site")
        app.config["PIPELOG"] = {"state": state, **settings}
        hits = Pipelog()
        hits.init_app(app)
        app.add_url_rule("/<path:path>", "page", lambda path: render_template_string(template, path=path))
        return app

    return make


def shown(app: Flask, path: str = "/releases/1/") -> str:
    """The page at a path."""
    answer = app.test_client().get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("template", "path", "text"),
    [
        ("{{ hits_today() }} {{ hits() }}", "/releases/1/", "3 8"),
        ("{{ hits_today() }} {{ hits() }}", "/releases/1/?from=mail", "3 8"),
        ("{{ hits_today() }}", "/café/", "1"),
        ("{{ hits_today('/café/') }} {{ hits('/never/') }}", "/", "1 0"),
        ("{{ prefetch_hits(['/releases/1/', '/x/']) }}{{ hits('/releases/1/') }} {{ hits('/x/') }}", "/", "8 0"),
        ("{{ hits_today(site='other.example.org') }}", "/releases/1/", "0"),
        ("{{ '{:,}'.format(hits()) }}", "/releases/1/", "8"),
    ],
)
def test_templates(template: str, path: str, text: str, made: Callable[..., Flask]) -> None:
    app = made(template)
    app.add_url_rule("/", "home", lambda: render_template_string(template))
    assert shown(app, path) == text


def test_an_application_below_a_prefix_asks_for_its_own_address(made: Callable[..., Flask]) -> None:
    answer = made("{{ hits_today() }}").test_client().get("/1/", environ_overrides={"SCRIPT_NAME": "/releases"})
    assert answer.get_data(as_text=True) == "3"


def test_two_applications_have_their_own_settings(made: Callable[..., Flask], tmp_path: Path) -> None:
    assert shown(made("{{ hits_today() }}")) == "3"
    assert shown(made("{{ hits_today() }}", state=tmp_path)) == "0"


@pytest.mark.parametrize("broken", [{"backend": "memcached://127.0.0.1:1"}, {"max_page": 1}])
def test_a_store_that_is_down_breaks_no_page(
    broken: dict[str, Any], made: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    template = "{{ prefetch_hits(['/a/']) }}{{ hits_today() }} {{ hits('/a/', default='?') }}"
    with caplog.at_level(logging.WARNING, "pipelog"):
        assert shown(made(template, **broken)) == "– ?"
        assert len(caplog.records) == 1
        assert shown(made(template, default="unknown", **broken)) == "unknown ?"


def test_commands_have_the_applications_settings(made: Callable[..., Flask], tmp_path: Path) -> None:
    assert pipelog(tmp_path / "state", stdin=line("/a/", YESTERDAY) * 2).returncode == 0
    run = made("", state=tmp_path / "state").test_cli_runner().invoke
    assert run(args=["pipelog", "rollup"]).exit_code == 0
    assert "2 views of 1 pages would be written" in run(args=["pipelog", "rollup", "--dry-run"]).output
    assert run(args=["pipelog", "hits", "/a/", "--output", "table"]).output.split()[-3:] == ["/a/", "0", "2"]
    assert "usage: pipelog rollup" in run(args=["pipelog", "rollup", "--help"]).output
    refused = run(args=["pipelog", "rollup", "2020-01-01"])
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)
    assert run(args=["pipelog"]).exit_code == 2
    assert run(args=["pipelog", "count"]).exit_code == 2


@pytest.mark.parametrize("path", ["/pipelog/", "/pipelog/top.json?by=bot"])
def test_the_live_page_is_for_whom_it_is_allowed(path: str, made: Callable[..., Flask]) -> None:
    app = made("")
    Pipelog().mount_live(app, "/pipelog", lambda: False)
    assert app.test_client().get(path).status_code == 403


def test_the_live_page_is_told_where_it_stands(made: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("202 Accepted", [("Content-Type", "text/plain")])
        return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']} {environ['QUERY_STRING']}".encode()]

    web = SimpleNamespace(make_application=lambda settings, **given: echo)
    monkeypatch.setitem(sys.modules, "pipelog.web", web)
    app = made("")
    Pipelog().mount_live(app, "/pipelog", lambda: True)
    for path, told in (("/pipelog/", "/x/pipelog / "), ("/pipelog/caf%C3%A9?n=5", "/x/pipelog /café n=5")):
        answer = app.test_client().get(path, environ_overrides={"SCRIPT_NAME": "/x"})
        assert (answer.status_code, answer.text.encode("latin-1", "replace").decode()) == (202, told)


def test_the_live_page_itself(made: Callable[..., Flask]) -> None:
    app = made("")
    Pipelog().mount_live(app, "/pipelog", lambda: True)
    answer = app.test_client().get("/pipelog/", headers={"Host": "stats.example.org"})
    assert answer.status_code == 200
    assert "/releases/1/" in answer.text
    assert 'href="/pipelog/' in answer.text
    assert app.test_client().get("/pipelog/pages.json").json["pages"][0]["page"] == "/releases/1/"
