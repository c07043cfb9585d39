"""Schemes: the built-in ones, those of plugins, broken ones, and a plugin installed from our own example."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pipelog import plugins
from pipelog.backends.base import CounterBackend
from pipelog.backends.memcached import MemcachedBackend
from pipelog.backends.memory import MemoryBackend
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.errors import LocationError, PluginError
from pipelog.locators import Location
from pipelog.plugins import Builtin, Registry, backend, sink
from pipelog.sinks.csvfile import CSVSink
from pipelog.sinks.sqlite import SQLiteSink

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "plugin"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryBackend),
        ("sqlite:///nowhere/at/all.db", SQLiteBackend),
        ("SQLITE:relative.db", SQLiteBackend),
        ("memcached://host.invalid:1,other.invalid", MemcachedBackend),
    ],
)
def test_backends(url: str, kind: type) -> None:
    assert type(backend(url)) is kind
    assert type(backend(Location.parse(url))) is kind


@pytest.mark.parametrize(("url", "kind"), [("sqlite:///nowhere/at/all.db", SQLiteSink), ("csv:///nowhere", CSVSink)])
def test_sinks(url: str, kind: type) -> None:
    assert type(sink(url)) is kind


@pytest.mark.parametrize("registry", [plugins.backends, plugins.sinks], ids=["backends", "sinks"])
def test_every_builtin_loads_and_keeps_its_contract(registry: Registry[object]) -> None:
    for scheme in registry.builtins:
        assert issubclass(registry.load(scheme), registry.contract)


def test_unknown_scheme_names_the_known_and_the_nearest() -> None:
    with pytest.raises(PluginError) as caught:
        backend("memcache://h")
    message = str(caught.value)
    assert message.startswith("there is no backend memcache: known are ")
    assert {"memcached", "memory", "sqlite"} <= set(message.replace(",", " ").replace(";", " ").split())
    assert message.endswith("did you mean memcached:?")
    with pytest.raises(PluginError, match="there is no sink zzzz: known are ") as caught:
        sink("zzzz:x")
    assert "did you mean" not in str(caught.value)


def test_passwords_and_bad_urls() -> None:
    with pytest.raises(PluginError) as caught:
        backend("nosuch://user:hunter2@host")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(LocationError):
        backend("/var/lib/counters.db")


def test_missing_driver_names_the_extra() -> None:
    table = {"redis": Builtin("no_such_driver.here:Backend", "redis"), "core": Builtin("no_such_driver:Backend")}
    registry = Registry("backend", "pipelog.nothing", CounterBackend, table)  # type: ignore[type-abstract]
    with pytest.raises(PluginError, match=r"redis: needs .* no_such_driver: pip install 'pipelog-httpd\[redis\]'$"):
        registry.make("redis://h")
    with pytest.raises(PluginError, match=r"pip install 'no_such_driver'$"):
        registry.make("core:")


# Entry points: real distributions, as metadata in a folder on sys.path


def install(folder: Path, name: str, module: str, entries: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(dedent(entries))
    (folder / f"{name}_module.py").write_text(dedent(module))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_plugin_is_found(folder: Path) -> None:
    install(
        folder,
        "goodplug",
        """
        from pipelog.backends.memory import MemoryBackend

        class Backend(MemoryBackend):
            @classmethod
            def from_location(cls, location):
                made = cls()
                made.location = location
                return made
        """,
        """
        [pipelog.backends]
        good = goodplug_module:Backend
        sqlite = goodplug_module:Backend
        """,
    )
    made = backend("good+driver://h/x")
    assert type(made).__module__ == "goodplug_module"
    assert made.location == Location.parse("good+driver://h/x")  # type: ignore[attr-defined]
    assert type(backend("sqlite:x")) is SQLiteBackend  # ours cannot be taken over
    with pytest.raises(PluginError, match="no sink good"):
        sink("good:")


@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_driver", "ModuleNotFoundError: No module named 'no_such_driver'"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("", "AttributeError"),
        ("Backend = 5", "is no CounterBackend with a from_location"),
        ("class Backend:\n    def from_location(self): ...", "is no CounterBackend with a from_location"),
        ("from pipelog.backends.base import CounterBackend as Backend", "is no CounterBackend with a from_location"),
    ],
)
def test_a_broken_plugin_fails_for_its_own_scheme_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, cause: str
) -> None:
    monkeypatch.delitem(sys.modules, "badplug_module", raising=False)
    install(folder, "badplug", module, "[pipelog.backends]\nbad = badplug_module:Backend\n")
    backend("memory:")
    with pytest.raises(PluginError, match="known are bad, memcached"):
        backend("zzzz:")
    with pytest.raises(PluginError) as caught:
        backend("bad://h")
    message = str(caught.value)
    assert message.startswith("the backend bad: of the plugin badplug (badplug_module:Backend) ")
    assert cause in message
    assert "\n" not in message
    sys.modules.pop("badplug_module", None)


def test_two_plugins_of_one_scheme(folder: Path) -> None:
    for name in ("oneplug", "twoplug"):
        install(folder, name, "", f"[pipelog.backends]\ntwice = {name}_module:Backend\n")
    with pytest.raises(PluginError, match=r"offered by the plugin \w+plug .* and the plugin \w+plug .*; uninstall"):
        backend("twice:")


def run(*arguments: str, path: Path | None = None, cwd: Path | None = None) -> str:
    # Without the measuring of coverage, which imports modules of its own.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | {"PYTHONDONTWRITEBYTECODE": "1"}
    if path:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run([sys.executable, *arguments], env=environment, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_importing_plugins_is_light() -> None:
    heavy = "{'pymemcache', 'sqlite3', 'argparse', 'importlib.metadata', 'dateutil', 'pytest'}"
    code = f"import sys, pipelog.plugins as p; p.backend('memory:'); print(sorted({heavy} & set(sys.modules)))"
    assert run("-c", code) == "[]\n"


def test_the_example_installs_and_keeps_the_contract(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(EXAMPLE, source)  # building leaves files behind
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, "--no-build-isolation", "--target", str(target), str(source))
    shutil.rmtree(source / "build", ignore_errors=True)
    (source / "pipelog_jsonfile.py").unlink()  # so that only what was installed can be found
    code = "import sys; from pipelog.plugins import backend; print(type(backend(sys.argv[1])).__name__)"
    assert run("-c", code, f"jsonfile://{tmp_path}/c.json", path=target, cwd=tmp_path) == "JSONFileBackend\n"
    printed = run("-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests", path=target, cwd=source)
    assert " passed" in printed
    # Its store has transactions, and it keeps to what every backend must do.
    assert printed.count("SKIPPED") == 2
    assert printed.count("not a Resuming backend") == printed.count("not a Claiming backend") == 1
