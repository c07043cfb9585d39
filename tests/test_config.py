"""Settings: where each comes from, what each may be, and what is said of those that cannot be."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest

from pipelog import config
from pipelog.config import NAMES, Settings, default_state, duration, load, with_rules
from pipelog.counting.rules import OF_A_SITE, Rules
from pipelog.errors import SettingsError
from pipelog.locators import Location


@pytest.fixture(autouse=True)
def no_file_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The place of the default file, where there is none yet; and no variable of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("PIPELOG_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "pipelog.toml"
    monkeypatch.setattr(config, "DEFAULT_FILE", path)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.toml"


def of_file(file: Path, content: str, environ: Mapping[str, str] | None = None) -> Settings:
    file.write_text(content, "utf-8")
    return load(config=file, environ=environ or {})


def refusal_of(file: Path, content: str) -> str:
    """The one line that says what is wrong with a file."""
    with pytest.raises(SettingsError) as caught:
        of_file(file, content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_with_no_settings_at_all_everything_has_a_value() -> None:
    settings = load(environ={"XDG_STATE_HOME": "/somewhere"})
    state = default_state({"XDG_STATE_HOME": "/somewhere"})
    assert settings == Settings(
        state=state,
        backend=f"sqlite://{state}/counters.db",
        sink=f"sqlite://{state}/history.db",
        source=socket.gethostname(),
        archive=f"{state}/journal/%Y-%m-%d.log",
        keep=2 * 86_400.0,
    )
    assert settings.origins == {}
    assert settings.counting == Rules()


# -- where a setting comes from ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "variable", "in_file", "expected", "origin"),
    [
        ("f", "e", "t", "f", "--source"),
        ("f", None, "t", "f", "--source"),
        ("f", "e", None, "f", "--source"),
        (None, "e", "t", "e", "PIPELOG_SOURCE"),
        (None, "e", None, "e", "PIPELOG_SOURCE"),
        (None, None, "t", "t", "{file}"),
        (None, None, None, socket.gethostname(), None),
    ],
)
def test_flag_before_environment_before_file_before_default(
    file: Path, flag: str | None, variable: str | None, in_file: str | None, expected: str, origin: str | None
) -> None:
    file.write_text(f"source = '{in_file}'\n" if in_file else "")
    settings = load(
        {"source": flag, "format": None}, config=file, environ={"PIPELOG_SOURCE": variable} if variable else {}
    )
    assert settings.source == expected
    assert settings.origins.get("source") == (origin and origin.format(file=file))
    assert "format" not in settings.origins


def test_the_same_for_counting_rules(file: Path) -> None:
    file.write_text("[counting]\nmax_pages = 1\nmax_values = 1\nmax_sites = 1\n")
    environ = {"PIPELOG_MAX_VALUES": "2", "PIPELOG_MAX_SITES": "2"}
    settings = load({"max_sites": "3"}, config=file, environ=environ)
    rules = settings.counting
    assert (rules.max_pages, rules.max_values, rules.max_sites) == (1, 2, 3)
    assert settings.origins == {
        "max_pages": str(file),
        "max_values": "PIPELOG_MAX_VALUES",
        "max_sites": "--max-sites",
    }


def test_which_file(file: Path, tmp_path: Path, no_file_of_the_system: Path) -> None:
    file.write_text("source = 'argument'")
    variable = tmp_path / "variable.toml"
    variable.write_text("source = 'variable'")
    environ = {"PIPELOG_CONFIG": str(variable)}
    assert load(environ={}).source == socket.gethostname()
    no_file_of_the_system.write_text("source = 'default'")
    assert load(environ={}).source == "default"
    assert load(environ=environ).source == "variable"
    assert load(config=file, environ=environ).source == "argument"


def test_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELOG_SOURCE", "mine")
    monkeypatch.setenv("PIPELOGX", "not ours")
    assert load().source == "mine"


# -- names that are unknown --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "environ", "content", "where", "hint"),
    [
        ({"bakend": "x"}, {}, "", "--bakend", "did you mean backend?"),
        ({"max_page": "x"}, {}, "", "--max-page", "did you mean max_pages"),
        ({}, {"PIPELOG_BAKEND": "x"}, "", "PIPELOG_BAKEND", "did you mean backend?"),
        ({}, {"PIPELOG_MAXPAGES": "x"}, "", "PIPELOG_MAXPAGES", "did you mean max_pages"),
        ({}, {}, "bakend = 'x'", "{file}", "did you mean backend?"),
        ({}, {}, "countng = 5", "{file}", "did you mean counting?"),
        ({}, {}, "[counting]\nmethds = ['GET']", r"{file} [counting]", "did you mean methods"),
        ({}, {}, "[counting]\nstate = '/x'", r"{file} [counting]", "'state'"),
        ({}, {}, "[counting]\nsite_serch = {}", r"{file} [counting]", "did you mean site_search"),
        ({}, {}, "[counting.site_search]\npth = '/s'", r"{file} [counting] [site_search]", "did you mean path?"),
        ({"search_path": "x"}, {}, "", "--search-path", "did you mean site_search_path"),
        ({}, {"PIPELOG_ZZZ": "x"}, "", "PIPELOG_ZZZ", "known are: archive, asset_paths,"),
    ],
)
def test_unknown_names_have_neighbours(
    file: Path, flags: dict[str, str | None], environ: dict[str, str], content: str, where: str, hint: str
) -> None:
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        load(flags, config=file, environ=environ)
    message = str(caught.value)
    assert message.startswith(where.format(file=file) + ": unknown setting ")
    assert hint in message
    assert "\n" not in message


def test_a_rule_beside_the_table_is_told_where_it_belongs(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"max_pages stands in the table \[counting\]"):
        of_file(file, "max_pages = 5")


def test_the_search_of_the_site_is_a_table_in_the_file_and_flat_elsewhere(file: Path) -> None:
    content = "[counting.site_search]\npath = '/search'\nparameter = 's'\n"
    settings = of_file(file, content, {"PIPELOG_SITE_SEARCH_PARAMETER": "query"})
    assert (settings.counting.site_search_path, settings.counting.site_search_parameter) == ("/search", "query")
    assert settings.origins == {
        "site_search_path": str(file),
        "site_search_parameter": "PIPELOG_SITE_SEARCH_PARAMETER",
    }
    assert of_file(file, "[counting]\nsite_search = {path = '/s'}").counting.site_search_path == "/s"
    with pytest.raises(SettingsError, match=r"site_search is a table, with parameter and path"):
        of_file(file, "[counting]\nsite_search = '/search'")
    with pytest.raises(SettingsError, match="site_search_path is a text, in quotes"):
        of_file(file, "[counting.site_search]\npath = 5")


def test_a_list_of_spammers_is_found_from_every_folder() -> None:
    relative = load({"referrer_spam_file": "lists/spam.txt"}, environ={}).counting
    assert relative.referrer_spam_file == os.path.abspath("lists/spam.txt")
    assert load(environ={}).counting.referrer_spam_file == ""


def test_every_setting_is_known() -> None:
    own = {field.name for field in fields(Settings)} - {"counting", "origins"}
    rules = {field.name for field in fields(Rules)} - {"sites"}
    assert own | rules == NAMES
    assert not own & rules
    assert rules > OF_A_SITE


# -- files that cannot be read -----------------------------------------------------------------------------------


def test_a_missing_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: No such file"):
        load(config=tmp_path / "absent.toml", environ={})
    with pytest.raises(SettingsError, match=r"absent\.toml: No such file"):
        load(environ={"PIPELOG_CONFIG": str(tmp_path / "absent.toml")})
    with pytest.raises(SettingsError, match="Is a directory"):
        load(config=tmp_path, environ={})


@pytest.mark.parametrize("content", [b"source = x", b"[counting", b"a = 1\na = 2", b"source = '\xff'"])
def test_no_toml(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"own\.toml is no TOML: "):
        load(config=file, environ={})


# -- sites -------------------------------------------------------------------------------------------------------


def test_a_site_has_what_stands_in_its_table_and_else_what_all_have(file: Path) -> None:
    text = """
[counting]
parameters = ["id"]
index_names = ["index.html"]
site = "www.example.org"

[site."Shop.Example.ORG:443"]
parameters = ["article"]
fold_case = true

[site.press]
own_sites = ["example.net"]
"""
    rules = of_file(file, text, {"PIPELOG_PARAMETERS": "x"}).counting
    assert rules.parameters == ("x",)
    assert rules.sites == {
        "shop.example.org": replace(rules, sites={}, parameters=("article",), fold_case=True),
        "press": replace(rules, sites={}, own_sites=("example.net",)),
    }
    assert of_file(file, "").counting.sites == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            '[site."a"]\nparameter = ["x"]',
            r"""{file} [site."a"]: unknown setting 'parameter'; did you mean parameters""",
        ),
        ('[site."a"]\nzzz = 1', "known are: asset_paths, assets, fold_case"),
        ('[site."a"]\ntimezone = "UTC"', '[site."a"]: timezone holds for all sites; known here: asset_paths'),
        ('[site."a"]\nstate = "/x"', "state holds for all sites"),
        ('[site."a"]\nmax_pages = 5', "max_pages holds for all sites"),
        ('[site."a"]\nparameters = 5', '{file} [site."a"]: parameters is a list of texts'),
        ('[site."a"]\ntrailing_slash = "off"', "trailing_slash 'off': give keep, strip, add"),
        ("[site.example.org]\nparameters = []", 'write [site."www.example.org"], with quotes'),
        ("[site]\na = 5", 'write [site."www.example.org"], with quotes'),
        ('[site."a"]\n[site."A:80"]', '[site."A:80"]: stands there twice'),
        ('[site.""]', "give the name of a site"),
        ('site = "a"', "site stands in the table [counting]"),
    ],
)
def test_tables_of_sites_that_cannot_be(file: Path, content: str, reason: str) -> None:
    assert reason.replace("{file}", str(file)) in refusal_of(file, content)


def test_sites_are_of_the_file_only() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'sites'"):
        load(environ={"PIPELOG_SITES": "x"})


def test_counting_is_a_table(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"write \[counting\]"):
        of_file(file, "counting = 5")


# -- types -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("0.5", 0.5), ("90s", 90), ("15m", 900), ("12h", 43_200), ("2d", 172_800), ("1w", 604_800),
        ("1.5h", 5_400), (" 2 D ", 172_800), ("forever", 0), ("Forever ", 0), ("0", 0),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1y", "h", "1h30m", "inf", "nan", "1e3", "١", "never", "1" * 5000])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="give a time such as"):
        duration(text)


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [
        ("flush = 0.2", "flush", 0.2),
        ("flush = 1", "flush", 1.0),
        ("flush = '2s'", "flush", 2.0),
        ("keep = '1w'", "keep", 604_800.0),
        ("keep = 0", "keep", 0.0),
        ("keep = 'forever'", "keep", 0.0),
        ("format = '%h %t'", "format", "%h %t"),
        ("backend = 'memcached://h1,h2'", "backend", "memcached://h1,h2"),
        ("state = '/var/x/../y'", "state", Path("/var/y")),
        ("state = '~/x'", "state", Path.home() / "x"),
        ("source = ''", "source", socket.gethostname()),
        ("archive = '/logs/%Y.log'", "archive", "/logs/%Y.log"),
        ("archive = 'logs/%Y.log'", "archive", os.path.abspath("logs/%Y.log")),
        ("symlink = 'current'", "symlink", os.path.abspath("current")),
    ],
)
def test_values(file: Path, content: str, name: str, value: object) -> None:
    assert getattr(of_file(file, content), name) == value


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [
        ("methods = ['GET', 'POST']", "methods", ("GET", "POST")),
        ("methods = 'GET, POST,'", "methods", ("GET", "POST")),
        ("methods = []", "methods", ()),
        ("statuses = [200, 304]", "statuses", (200, 304)),
        ("statuses = '200,304'", "statuses", (200, 304)),
        ("max_pages = 0", "max_pages", 0),
        ("max_pages = '10'", "max_pages", 10),
        ("timezone = 'Europe/Berlin'", "timezone", "Europe/Berlin"),
        ("site = 'www.example.org'", "site", "www.example.org"),
        ("index_names = ['index.html']", "index_names", ("index.html",)),
        ("prefetch = []", "prefetch", ()),
        ("fold_case = true", "fold_case", True),
        ("fold_case = 'False'", "fold_case", False),
        ("trailing_slash = 'strip'", "trailing_slash", "strip"),
    ],
)
def test_rules(file: Path, content: str, name: str, value: object) -> None:
    assert getattr(of_file(file, "[counting]\n" + content).counting, name) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("METHODS", "GET,HEAD", ("GET", "HEAD")),
        ("STATUSES", " 200, 206 ", (200, 206)),
        ("ASSETS", "", ()),
        ("MAX_PAGES", " 5 ", 5),
        ("SITE", "x", "x"),
    ],
)
def test_rules_of_the_environment(name: str, text: str, value: object) -> None:
    assert getattr(load(environ={"PIPELOG_" + name: text}).counting, name.lower()) == value


def test_rules_of_an_application() -> None:
    rules = load({"parameters": ("id",), "max_pages": 5, "statuses": [200]}, environ={}).counting  # type: ignore[dict-item]
    assert (rules.parameters, rules.max_pages, rules.statuses) == (("id",), 5, (200,))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("state = 5", "state is a text, in quotes"),
        ("state = ''", "state is empty"),
        ("backend = ''", "backend is empty"),
        ("prefix = ''", "prefix is empty"),
        ("source = ['a']", "source is a text"),
        ("source = true", "source is a text"),
        ("flush = true", "flush is a text"),
        ("flush = 0", "flush 0: give a time above 0"),
        ("flush = -1", "flush -1: give a time"),
        ("keep = 'soon'", "keep 'soon': give a time"),
        ("keep = 1979-05-27", "keep is a text"),
        ("[counting]\nmax_pages = -1", "max_pages is a whole number"),
        ("[counting]\nmax_pages = 1.5", "max_pages is a whole number"),
        ("[counting]\nmax_pages = true", "max_pages is a whole number"),
        ("[counting]\nmax_pages = '²'", "max_pages is a whole number"),
        ("[counting]\nmax_pages = ''", "max_pages is a whole number"),
        ("[counting]\nmethods = 5", "methods is a list of texts"),
        ("[counting]\nmethods = [5]", "methods is a list of texts"),
        ("[counting]\nmethods = [['GET']]", "methods is a list of texts"),
        ("[counting]\nstatuses = ['200']", "statuses is a list of whole numbers"),
        ("[counting]\nstatuses = [true]", "statuses is a list of whole numbers"),
        ("[counting]\nstatuses = '2xx'", "statuses is a list of whole numbers"),
        ("[counting]\nsite = 5", "site is a text"),
        ("[counting]\nfold_case = 1", "fold_case is true or false"),
        ("[counting]\nfold_case = 'yes'", "fold_case is true or false"),
        ("[counting]\ntrailing_slash = 'no'", "trailing_slash 'no': give keep, strip, add"),
        ("[counting]\ntimezone = 'Mars'", "timezone 'Mars' is unknown"),
    ],
)
def test_values_that_cannot_be(file: Path, content: str, reason: str) -> None:
    assert reason in refusal_of(file, content)


def test_what_is_wrong_is_said_with_its_origin(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"^PIPELOG_FLUSH: flush 'soon'"):
        load(environ={"PIPELOG_FLUSH": "soon"})
    with pytest.raises(SettingsError, match=r"^--flush: flush 'soon'"):
        load({"flush": "soon"}, environ={})
    with pytest.raises(SettingsError, match=rf"^{file}: flush 'soon'"):
        of_file(file, "flush = 'soon'")


# -- the state folder --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "environ", "state"),
    [
        (0, {}, Path("/var/lib/pipelog")),
        (0, {"XDG_STATE_HOME": "/x"}, Path("/var/lib/pipelog")),
        (1000, {"XDG_STATE_HOME": "/x"}, Path("/x/pipelog")),
        (1000, {}, Path.home() / ".local/state/pipelog"),
        (1000, {"XDG_STATE_HOME": ""}, Path.home() / ".local/state/pipelog"),
        (1000, {"XDG_STATE_HOME": "relative"}, Path.home() / ".local/state/pipelog"),
    ],
)
def test_default_state(monkeypatch: pytest.MonkeyPatch, user: int, environ: dict[str, str], state: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert default_state(environ) == state
    assert load(environ=environ).state == state


@pytest.mark.parametrize("name", ["plain", "with blank", "50%25", "%Y", "ünï", "a?b#c&d"])
def test_the_stores_stand_in_the_state_folder(tmp_path: Path, name: str) -> None:
    settings = load({"state": str(tmp_path / name)}, environ={})
    assert Location.parse(settings.backend).path == str(tmp_path / name / "counters.db")
    assert Location.parse(settings.sink).path == str(tmp_path / name / "history.db")
    assert settings.archive == str(tmp_path / name).replace("%", "%%") + "/journal/%Y-%m-%d.log"


def test_an_archive_is_kept_for_ever_unless_said_otherwise() -> None:
    assert load({"archive": "/logs/%Y.log"}, environ={}).keep == 0
    assert load({"archive": "/logs/%Y.log", "keep": "1d"}, environ={}).keep == 86_400
    assert load({"archive": ""}, environ={}).keep == 2 * 86_400


def test_other_rules() -> None:
    settings = load(environ={})
    assert with_rules(settings, site="x").counting.site == "x"
    assert settings.counting.site == ""


def test_a_site_may_have_a_search_of_its_own(tmp_path: Path) -> None:
    content = '[counting.site_search]\nparameter = "s"\n[site."shop.example".site_search]\npath = "/find"\n'
    rules = of_file(tmp_path / "pipelog.toml", content).counting
    own = rules.sites["shop.example"]
    assert (own.site_search_path, own.site_search_parameter) == ("/find", "s")
    assert rules.site_search_path == ""


# -- an application's own settings ---------------------------------------------------------------------------------


def test_an_applications_settings_are_those_of_the_file(file: Path) -> None:
    file.write_text('prefix = "file"\nflush = 2\n[counting]\nmax_pages = 5\n[site."a.example"]\nfold_case = true\n')
    given = {
        "state": Path("/srv/state"),
        "max_values": 3,
        "own_sites": ["example.org"],
        "counting": {"site": "www.example.org"},
        "site_search": {"path": "/find"},
        "flush": 0.25,
    }
    settings = load({"max_values": "4"}, config=file, environ={"PIPELOG_FLUSH": "9"}, application=given, origin="APP")
    rules = settings.counting
    assert (settings.state, settings.prefix, settings.flush) == (Path("/srv/state"), "file", 0.25)
    assert (rules.max_pages, rules.max_values, rules.own_sites) == (5, 4, ("example.org",))
    assert (rules.site, rules.site_search_path) == ("www.example.org", "/find")
    assert rules.sites["a.example"].fold_case
    assert settings.origins["flush"] == "APP"
    assert settings.origins["max_values"] == "--max-values"


def test_an_applications_sites_go_before_those_of_the_file(file: Path) -> None:
    file.write_text('[site."a.example"]\nfold_case = true\n')
    settings = load(config=file, environ={}, application={"site": {"b.example": {"fold_case": True}}})
    assert list(settings.counting.sites) == ["b.example"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"max_page": 3}, "APP: unknown setting 'max_page'; did you mean max_page"),
        ({"max_pages": "many"}, "APP: max_pages is a whole number"),
        ({"own_sites": [1]}, "APP: own_sites is a list of texts"),
        ({"counting": {"state": "/x"}}, "APP [counting]: unknown setting 'state'"),
        ({"site": {"a": {"state": "/x"}}}, 'APP [site."a"]: state holds for all sites'),
    ],
)
def test_an_applications_settings_that_cannot_be(given: dict[str, object], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ={}, application=given, origin="APP")
    assert str(caught.value).startswith(text)
