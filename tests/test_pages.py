"""Canonical names of pages, index names, query parameters and resolvers."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelog.counting import pages
from pipelog.counting.pages import DOUBT, MAX_PAGE, MOST_ANSWERS, Answers, PageNamer, canonical, load_resolver, path_of
from pipelog.counting.rules import OTHER, SLASHES, Rules
from pipelog.counting.views import Judge
from pipelog.errors import SettingsError


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("/", "/"),
        ("/releases/1/", "/releases/1/"),
        ("/releases/1", "/releases/1"),  # another name than with a slash at the end
        ("/A/a", "/A/a"),  # paths tell upper from lower case (RFC 3986 section 6.2.2.1)
        ("/a?from=mail", "/a"),
        ("/a?", "/a"),
        ("/?x", "/"),
        ("/a#top", "/a"),
        ("/a#top?x", "/a"),
        # RFC 3986 section 5.2.4
        ("/a/b/c/./../../g", "/a/g"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/../", "/a/"),
        ("/../../a", "/a"),
        ("/..", "/"),
        ("/.", "/"),
        ("/...", "/..."),
        ("/.hidden/.a.", "/.hidden/.a."),
        ("/a..b/..c/d../", "/a..b/..c/d../"),
        ("/%2e%2E/a/%2e/b", "/a/b"),
        # RFC 3986 sections 6.2.2.1 and 6.2.2.2
        ("/%61%7e%41%2d", "/a~A-"),
        ("/%e2%82%ac", "/%E2%82%AC"),
        ("/a%2fb", "/a%2Fb"),  # not the same as /a/b
        ("/a%3Fb%23c%25d", "/a%3Fb%23c%25d"),
        ("/%zz/%4", "/%25zz/%254"),
        ("/100%", "/100%25"),
        ("/a+b", "/a+b"),
        ("/a%20b", "/a%20b"),
        ("/a;b=c,d@e:f!$&'()*", "/a;b=c,d@e:f!$&'()*"),
        ("/[x]|^`{}\\", "/%5Bx%5D%7C%5E%60%7B%7D%5C"),
        # the same text in each of the ways it may stand in a line
        ("/é", "/%C3%A9"),
        ("/%c3%a9", "/%C3%A9"),
        ("/\udcc3\udca9", "/%C3%A9"),
        ("/\udcff", "/%FF"),
        ("/😀", "/%F0%9F%98%80"),
        ("//a", "/a"),
        ("///a//b///", "/a/b/"),
        ("/a//../b", "/b"),
        # RFC 9112 section 3.2: absolute form, authority form, asterisk form
        ("http://example.org/a?x", "/a"),
        ("HTTPS://EXAMPLE.ORG:443//a", "/a"),
        ("http://example.org", "/"),
        ("http://example.org?x", "/"),
        ("http://user@[::1]:80/a", "/a"),
        ("example.org:443", None),
        ("*", None),
        ("?x", None),
        ("", None),
        ("a/b", None),
        ("://a/b", None),
        # what strangers send
        ("/\x00\x1b[2J", "/%00%1B%5B2J"),
        ("/a b", "/a%20b"),
        ("/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E"),
        ("/=cmd|'/C calc'!A0", "/=cmd%7C'/C%20calc'!A0"),
        ('/"\n', "/%22%0A"),
        ("/(other)", "/(other)"),
        ("/" + "a" * (MAX_PAGE - 1), "/" + "a" * (MAX_PAGE - 1)),
        ("/" + "a" * MAX_PAGE, OTHER),
        ("/" + "é" * (MAX_PAGE // 6 + 1), OTHER),
        ("/" * 100_000 + "a", "/a"),
        ("/a" + "?" * 100_000, "/a"),
        ("/a/.." * 20_000, "/"),
    ],
)
def test_canonical(target: str, page: str | None) -> None:
    assert canonical(target) == page


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("/a?id=5", "/a?id=5"),
        ("/a?x=1&id=5&y=2", "/a?id=5"),
        ("/a?lang=de&id=5", "/a?id=5&lang=de"),
        ("/a?id=5&id=6", "/a?id=5"),
        ("/a?id", "/a?id="),
        ("/a?id=", "/a?id="),
        ("/a?%69d=%35", "/a?id=5"),
        ("/a?id=a=b", "/a?id=a=b"),
        ("/a?id=%26%3d", "/a?id=%26%3D"),
        ("/a?id=é +", "/a?id=%C3%A9%20+"),
        ("/a?id=5#id=6", "/a?id=5"),
        ("/a#x?id=5", "/a"),
        ("/a?ID=5", "/a"),
        ("/a?&&=&", "/a"),
        ("/a", "/a"),
        ("http://h?id=5", "/?id=5"),
        ("/a?größe=1", "/a?gr%C3%B6%C3%9Fe=1"),
        ("/a?gr%c3%b6%c3%9fe=1", "/a?gr%C3%B6%C3%9Fe=1"),
        ("/a?id=" + "5" * MAX_PAGE, OTHER),
        ("*", None),
    ],
)
def test_parameters_that_belong_to_the_name(target: str, page: str | None) -> None:
    assert canonical(target, ("id", "lang", "größe")) == page


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("/index.html", "/"),
        ("/a/index.html", "/a/"),
        ("/a/index.php?x", "/a/"),
        ("/a/%69ndex.html", "/a/"),
        ("/a/index.html/", "/a/index.html/"),
        ("/a/INDEX.HTML", "/a/INDEX.HTML"),
        ("/a/my-index.html", "/a/my-index.html"),
        ("/index.html/b", "/index.html/b"),
        ("/a/", "/a/"),
    ],
)
def test_index_names(target: str, page: str) -> None:
    assert canonical(target, (), ("index.html", "index.php")) == page
    assert PageNamer(Rules(index_names=("index.html", "index.php")))(target) == page


def test_without_index_names_the_file_is_a_page_of_its_own() -> None:
    assert PageNamer(Rules())("/a/index.html") == "/a/index.html"


pieces = st.one_of(
    st.sampled_from(["/", "//", ".", "..", "/.", "/..", "%2e", "%2F", "%61", "%", "%zz", "?", "&", "id=", "#", "http://"]),
    st.text(max_size=4),
    st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF),
)  # fmt: skip
targets = st.lists(pieces, max_size=12).map("".join)
PRINTABLE = re.compile(r"/[!-~]*")


@settings(deadline=None)
@given(
    targets,
    st.sampled_from([(), ("id",), ("id", "ä&=")]),
    st.sampled_from([(), ("index.html", "a"), ("",)]),
    st.booleans(),
    st.sampled_from(SLASHES),
)
@example("/a/a/..", (), ("a",), False, "keep")
@example("/x/a/A/", (), ("a",), True, "strip")
@example("/a%2e%2e", (), (), False, "keep")
@example("/%2525", (), (), False, "keep")
def test_canonical_names_are_plain_and_final(
    target: str, parameters: tuple[str, ...], index_names: tuple[str, ...], fold_case: bool, trailing_slash: str
) -> None:
    def canonical(target: str) -> str | None:
        return pages.canonical(target, parameters, index_names, fold_case=fold_case, trailing_slash=trailing_slash)

    page = canonical(target)
    if page is None:
        assert not target.startswith("/")
        return
    if page == OTHER:
        return
    assert PRINTABLE.fullmatch(page)
    assert len(page) <= MAX_PAGE
    assert "//" not in page.partition("?")[0]
    assert canonical(page) == page
    path = page.partition("?")[0]
    if fold_case:
        assert re.sub("%..", "", path) == re.sub("%..", "", path).lower()
    if trailing_slash == "strip":
        assert path == "/" or not path.endswith("/")
    if trailing_slash == "add":
        assert path.endswith("/") or "." in path.rpartition("/")[2]


@settings(deadline=None)
@given(targets, targets)
def test_scheme_host_query_and_fragment_name_nothing(path: str, rest: str) -> None:
    page = canonical("/" + path)
    assert canonical("http://example.org/" + path) == page
    if "?" not in path and "#" not in path:
        assert canonical("/" + path + "?" + rest) == page
        assert canonical("/" + path + "#" + rest) == page


def test_a_path_has_any_length() -> None:
    assert path_of("/" + "%41" * 5_000) == "/" + "A" * 5_000
    assert path_of("*") is None


# -- resolvers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module as an application would have one."""
    module = types.ModuleType("resolving_application")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def named(application: types.ModuleType, answer: object, target: str = "/r/5/?x") -> str | None:
    """What the page is called when the resolver answers so; an exception is raised."""

    def resolve(path: str) -> object:
        assert path == canonical(target)
        if isinstance(answer, Exception):
            raise answer
        return answer

    application.resolve = resolve  # type: ignore[attr-defined]
    return PageNamer(Rules(resolver="resolving_application:resolve"))(target)


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        ("release/5", "release/5"),
        (5, "5"),
        (None, None),
        (LookupError(), "/r/5/"),
        (Unspeakable(), "/r/5/"),
        ("", "/r/5/"),  # "" would count for the whole site
        ("é" * MAX_PAGE, "é" * (MAX_PAGE // 2)),
        ("\ud800x", "?x"),
    ],
)
def test_resolver(application: types.ModuleType, answer: object, page: str | None) -> None:
    assert named(application, answer) == page


def test_the_resolver_is_not_asked_for_what_has_no_path(application: types.ModuleType) -> None:
    def resolve(path: str) -> object:
        raise AssertionError(path)

    application.resolve = resolve  # type: ignore[attr-defined]
    namer = PageNamer(Rules(resolver="resolving_application:resolve"))
    assert namer("*") is None
    assert namer("/" + "a" * MAX_PAGE) == OTHER


def test_answers_are_remembered_and_doubts_for_a_while() -> None:
    now, asked = [100.0], []
    known: dict[str, object] = {"/a": 5, "/none": None, "/empty": ""}

    def resolve(path: str) -> object:
        asked.append(path)
        return known[path]

    answers = Answers(resolve, lambda: now[0])
    expected = {"/a": "5", "/none": None, "/empty": "/empty", "/raises": "/raises"}
    for _ in range(3):
        assert {path: answers.page(path) for path in expected} == expected
    assert asked == list(expected)
    known |= {"/a": "other", "/none": "there", "/raises": "mended"}
    now[0] += DOUBT - 1
    assert {path: answers.page(path) for path in expected} == expected
    now[0] += 1
    assert [answers.page(path) for path in expected] == ["5", "there", "/empty", "mended"]
    assert asked == [*expected, "/none", "/empty", "/raises"]


@pytest.mark.parametrize("answer", ["page", None])
def test_a_flood_of_paths_costs_a_resolver_no_memory(answer: str | None) -> None:
    answers = Answers(lambda path: answer, lambda: 0.0)
    for n in range(2 * MOST_ANSWERS + 5):
        assert answers.page(f"/{n}") == answer
        assert len(answers._names) + len(answers._doubts) <= MOST_ANSWERS
    assert len(answers._names) + len(answers._doubts) == 5


def test_case_is_folded_where_paths_are_compared() -> None:
    rules = Rules(fold_case=True, asset_paths=("/Health",), site_search_path="/Find", index_names=("Default.HTM",))
    judge = Judge(rules)
    assert judge.request("GET", "/HEALTH").page is None
    assert judge.request("GET", "/find?q=Kit") == ("/find", "/find", "", "kit", True)
    assert judge.request("GET", "/A/default.htm").page == "/a/"


def test_a_slash_setting_that_is_none() -> None:
    for rules in (Rules(trailing_slash="drop"), Rules(sites={"a": Rules(trailing_slash="drop")})):
        with pytest.raises(SettingsError, match="trailing_slash 'drop': give keep, strip, add"):
            PageNamer(rules)


def test_names_of_folders_take_linear_time() -> None:
    """Each name is the folder's: nothing is gone through twice."""
    target = "/index.html" * 100_000
    assert canonical(target, (), ("index.html",), trailing_slash="strip") == "/"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module_of_ours:f", "cannot be loaded"),
        ("resolving_application:missing", "cannot be loaded"),
        ("resolving_application", "cannot be loaded"),
        (":f", "cannot be loaded"),
        ("resolving_application:value", "is no function"),
    ],
)
def test_resolvers_that_cannot_be(application: types.ModuleType, name: str, reason: str) -> None:
    application.value = 5  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match=f"resolver '{re.escape(name)}' {reason}"):
        load_resolver(name)


def test_a_module_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_application.py").write_text("raise RuntimeError('no database')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SettingsError, match="no database"):
        load_resolver("failing_application:f")
