"""docs/frameworks.md is true: its files make a Django site, a Flask and a FastAPI application that show numbers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import REPOSITORY, environment, line, pipelog

TEXT = (REPOSITORY / "docs" / "frameworks.md").read_text()
DJANGO = """
SECRET_KEY = "for tests only"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "press.urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "press"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [__file__ + "/../templates"]}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
URLS = """
from django.urls import path
from django.views.generic import ListView
from press import views
from press.models import Release

def find_archived(year, slug):
    return Release.objects.filter(title=slug).first()

def show(request, **arguments): ...

urlpatterns = [
    path("", ListView.as_view(model=Release, template_name="page0.html")),
    path("releases/<int:pk>/", show, name="release"),
    path("archive/<int:year>/<slug:slug>/", show, name="archived"),
    path("sources/", views.sources),
]
"""
TRY_DJANGO = """
import django; django.setup()
from django.core.management import call_command
from django.template import engines
from django.test import Client
from press.models import Release

call_command("check", fail_level="WARNING")
call_command("migrate", run_syncdb=True, verbosity=0)
release = Release.objects.create(title="old")
assert (release.pk, release.hits_today, release.hits) == (1, 3, 3)
page = Client().get("/").content.decode()
assert '<a href="/releases/1/">old</a> 3 views today' in page, page
assert Client().get("/sources/").content == b"3 from social/Hacker News"
assert Client().get("/pipelog/fragment/?page=/archive/2026/old/").content == b"3"
shown = engines["django"].get_template("page1.html").render({"release": release})
assert '<!--#include virtual="/pipelog/fragment/?page=%2Freleases%2F1%2F&amp;of=today" -->' in shown, shown
"""
TRY_FLASK = """
from app import app
assert app.test_client().get("/releases/1/").text == "<h1>Release 1</h1> 3 views today"
"""
TRY_FASTAPI = """
from main import app
from fastapi.testclient import TestClient
client = TestClient(app)
assert client.get("/releases/1/").text == "<h1>Release 1</h1> 3 views today"
assert client.get("/pipelog/").status_code == 403
shown = client.get("/pipelog/", headers={"Authorization": "Bearer correct horse battery staple"})
assert shown.status_code == 200 and "/releases/1/" in shown.text and 'href="/pipelog/' in shown.text
"""
TRY_WSGI = """
from werkzeug.test import Client
from wsgi import application
client = Client(application)
assert client.get("/releases/1/").text == "3 views today"
assert client.get("/pipelog/").status_code == 403
shown = client.get("/pipelog/", headers={"Authorization": "Bearer correct horse battery staple"})
assert shown.status_code == 200 and "/releases/1/" in shown.text and 'href="/pipelog/' in shown.text
"""


def files(text: str) -> dict[str, str]:
    """The Python files of a chapter; blocks that begin with the same name follow each other in one file."""
    found: dict[str, str] = {}
    for name, content in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", text, re.M | re.S):
        found[name] = found.get(name, "") + content
    assert found
    return found


def chapter(title: str) -> str:
    """What stands below a heading of the second level."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def run(code: str, folder: Path, state: Path, **variables: str) -> None:
    """Run Python in a folder, where the modules of a chapter are; nothing may be said on standard error."""
    env = environment(config=str(state / "pipelog.toml")) | {"PYTHONPATH": str(folder)} | variables
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.replace("System check identified no issues (0 silenced).\n", "")) == (0, "")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Three views of /releases/1/, and a settings file that says where."""
    folder = tmp_path / "state"
    lines = line("/releases/1/", referrer="https://news.ycombinator.com/") * 3
    assert pipelog(folder, stdin=lines).returncode == 0
    (folder / "pipelog.toml").write_text(f'state = "{folder}"\n')
    return folder


def write(folder: Path, contents: dict[str, str], state: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_text(content.replace("/etc/pipelog.toml", str(state / "pipelog.toml")))


def test_django(tmp_path: Path, state: Path) -> None:
    """All blocks of the chapter, put together to one site."""
    pytest.importorskip("django")
    text = chapter("Django")
    found = files(text)
    assert found.keys() == {"settings.py", "models.py", "views.py", "urls.py"}
    found["settings.py"] = DJANGO + found["settings.py"]
    found["urls.py"] = URLS + found["urls.py"]
    site = tmp_path / "site" / "press"
    write(site, found | {"__init__.py": ""}, state)
    templates = re.findall(r"^```django\n(.*?)^```$", text, re.M | re.S)
    write(site / "templates", {f"page{n}.html": content for n, content in enumerate(templates)}, state)
    [toml] = re.findall(r"^```toml\n(.*?)^```$", text, re.M | re.S)
    (state / "pipelog.toml").write_text(f'state = "{state}"\n{toml}')
    # What was counted under the path before is the object's when it is counted again.
    variables = {"DJANGO_SETTINGS_MODULE": "press.settings"}
    env = environment(config=str(state / "pipelog.toml")) | {"PYTHONPATH": str(site.parent)} | variables
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipelog", "replay", "today"], env=env, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run(TRY_DJANGO, site.parent, state, **variables)


@pytest.mark.parametrize(
    ("title", "package", "code"),
    [
        ("Flask", "flask", TRY_FLASK),
        ("FastAPI and Starlette", "fastapi", TRY_FASTAPI),
        ("Plain WSGI", "werkzeug", TRY_WSGI),
    ],
)
def test_applications(title: str, package: str, code: str, tmp_path: Path, state: Path) -> None:
    pytest.importorskip(package)
    write(tmp_path / "app", files(chapter(title)), state)
    run(code, tmp_path / "app", state)


def test_the_checks_of_django_are_all_documented() -> None:
    source = (REPOSITORY / "pipelog" / "contrib" / "django" / "checks.py").read_text()
    told = re.findall(r"^\| `(pipelog\.\w+)` \|", TEXT, re.M)
    assert sorted(set(re.findall(r'id="(pipelog\.\w+)"', source))) == sorted(told)
