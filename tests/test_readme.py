"""The documentation is true: its Python and shell examples run, its tables are complete, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cli_helpers import EXAMPLES, REPOSITORY, environment, pipelog

from pipelog import config
from pipelog.cli import COMMANDS
from pipelog.cli.httpd import pitfalls
from pipelog.counting.rules import Rules

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# \w+\.py\n")
_ROW = re.compile(r"^\| `(\w+)` \|(.*)\|$", re.M)


def blocks(language: str) -> list[object]:
    """Each fenced block of a language, named by its file and number; files of a site are test_frameworks.py's."""
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(_BLOCK.findall(page.read_text()), 1)
        if kind == language and not _FILE.match(text)
    ]


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """The rows of tables whose first cell is one word in code: the word, and the other cells."""
    for name, cells in _ROW.findall(text):
        yield name, [cell.strip() for cell in cells.split(" | ")]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample log, its first day as yesterday and rolled up, its second as today."""
    folder = tmp_path_factory.mktemp("readme") / "state"
    now = datetime.now().astimezone()
    days = {"21": now - timedelta(days=1), "22": now}
    text = re.sub(
        r"\[(\d\d)/Nov/2026:([\d:]+) \+0000\]",
        lambda stamp: f"[{days[stamp[1]]:%d/%b/%Y}:{stamp[2]} {now:%z}]",
        (EXAMPLES / "press.log").read_text(),
    )
    assert pipelog(folder, stdin=text.encode(), site="www.example.org").returncode == 0
    assert pipelog(folder, "rollup", site="www.example.org").returncode == 0
    return folder


def in_the_examples(state: Path) -> dict[str, str]:
    """An environment in which `pipelog` is the command of this Python, and has the sample's numbers."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return environment(state=str(state), site="www.example.org") | {"PATH": path}


@pytest.mark.parametrize("text", blocks("python"))
def test_python_examples_run(text: str, state: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", text],
        env=in_the_examples(state),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=REPOSITORY,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", blocks("console"))
def test_commands_run_and_print_what_is_shown(text: str, state: Path) -> None:
    examples = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M)
    assert examples
    for command, shown in examples:
        done = subprocess.run(
            command,
            shell=True,
            env=in_the_examples(state),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=REPOSITORY,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert not shown.strip() or shown.strip("\n") == done.stdout.strip("\n"), command


@pytest.mark.parametrize("text", blocks("toml"))
def test_settings_examples_load(text: str, tmp_path: Path) -> None:
    (tmp_path / "pipelog.toml").write_text(text)
    config.load(config=tmp_path / "pipelog.toml", environ={})


@pytest.mark.parametrize("text", blocks("apache"))
def test_apache_examples_have_no_pitfalls(text: str, tmp_path: Path) -> None:
    (tmp_path / "httpd.conf").write_text(text)
    assert [mark for mark, _ in pitfalls([str(tmp_path / "httpd.conf")])] == ["ok"]


@pytest.mark.parametrize("text", blocks("crontab"))
def test_crontab_examples_name_commands_that_exist(text: str) -> None:
    for entry in text.splitlines():
        words = shlex.split(entry.split(maxsplit=5)[5])
        if words[1].endswith("/manage.py"):
            assert words[2:] == ["pipelog_rollup"]
            continue
        assert words[:4] == ["/srv/venv/bin/python", "-P", "-m", "pipelog"]
        assert words[4] in COMMANDS


def test_no_example_is_of_a_kind_that_nothing_checks() -> None:
    kinds = {kind for page in PAGES for kind, _ in _BLOCK.findall(page.read_text())}
    assert kinds <= {"python", "console", "toml", "apache", "crontab", "systemd", "django", "text"}
    assert {"python", "console", "toml", "apache", "crontab"} <= kinds


def test_the_readme_names_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    assert [name for name, _ in rows(text)] == list(COMMANDS)


def test_the_sample_numbers_of_the_readme_are_those_of_a_page(state: Path) -> None:
    code = "import pipelog; print(pipelog.hits_today('/releases/1/'), pipelog.hits('/releases/1/'))"
    done = subprocess.run([sys.executable, "-c", code], env=in_the_examples(state), capture_output=True, check=True)
    assert done.stdout == b"28 57\n"


def documented() -> dict[str, list[str]]:
    """Setting -> default, example, meaning, as docs/settings.md has them."""
    found = list(rows((REPOSITORY / "docs" / "settings.md").read_text()))
    assert len(found) == len(dict(found))
    return dict(found)


def test_every_setting_is_documented() -> None:
    assert documented().keys() == config.NAMES


@pytest.mark.parametrize("name", sorted(config.NAMES))
def test_examples_of_settings_can_be_set(name: str, tmp_path: Path) -> None:
    _, example, meaning = documented()[name]
    table = "[counting]\n" if name in Rules.__dataclass_fields__ else ""
    file = tmp_path / "pipelog.toml"
    file.write_text(f"{table}{name} = {example.strip('`')}\n")
    settings = config.load(config=file, environ={})
    assert settings.origins == {name: str(file)}
    assert meaning


@pytest.mark.parametrize("name", sorted(config.NAMES))
def test_defaults_of_settings_are_the_defaults(name: str) -> None:
    default = documented()[name][0]
    settings = config.load({"state": "/nowhere"}, config=os.devnull, environ={})
    if re.fullmatch(r"`[^`]*`", default):
        value = tomllib.loads(f"x = {default.strip('`')}")["x"]
        holder = settings.counting if name in Rules.__dataclass_fields__ else settings
        actual = getattr(holder, name)
        assert (list(actual) if isinstance(actual, tuple) else actual) == value
    else:
        assert name in {"state", "backend", "sink", "source", "archive", "keep", "assets"}


def test_the_documented_assets_are_the_default_ones() -> None:
    [text] = [
        block for block in _BLOCK.findall((REPOSITORY / "docs" / "settings.md").read_text()) if "assets" in block[1]
    ]
    assert tuple(tomllib.loads(text[1])["counting"]["assets"]) == Rules().assets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
