"""The whole site in one folder, started and stopped together: memcached, gunicorn, and httpd with pipelog as its log.

    python examples/press_releases/press_site.py            # then open the address that it prints; Ctrl-C ends it

Needs httpd (apache2), memcached, and the packages Django and gunicorn. Everything it makes is in a temporary folder,
gone at the end, or in --folder, which stays. The configuration is that of httpd.conf and pipelog.toml beside this file,
with the paths of a server replaced.
"""

from __future__ import annotations

import argparse
import getpass
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
MODULES = (Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules"), Path("/usr/local/apache2/modules"))
PATIENCE = 20.0
BASE = """
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/httpd.log"
ServerName localhost
Listen 127.0.0.1:{port}
{modules}
TypesConfig "{folder}/mime.types"
{user}
"""


class Ended(Exception):
    """Somebody wants the site to end, or a part of it has."""


def main() -> int:
    """Run the site until it is told to end; 0, or 1 when something is missing or has died."""
    parser = argparse.ArgumentParser(description="a site of press releases that show their hits")
    parser.add_argument("--folder", type=Path, help="where everything is kept (default: nothing is kept)")
    parser.add_argument("--port", type=int, help="of httpd, on 127.0.0.1 (default: a free one)")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        with ExitStack() as stack:
            folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="press-")))
            _run(folder.absolute(), options.port or free_port(), stack)
    except Ended as reason:
        print(f"\n{str(reason) or 'All of it has ended.'}", flush=True)
        return 1 if str(reason) else 0
    return 0


def _run(folder: Path, port: int, stack: ExitStack) -> None:
    httpd, memcached = _program("apache2", "httpd"), _program("memcached")
    for package in ("django", "gunicorn"):
        if not find_spec(package):
            raise Ended(f"The package {package} is not installed: pip install 'pipelog-httpd[django]' gunicorn")
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # httpd's own user reads the static files
    behind, password = free_port(), secrets.token_urlsafe(9)
    _configure(folder, port, behind)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PIPELOG_")}
    environment |= {"PRESS_FOLDER": str(folder), "PYTHONPATH": str(HERE), "DJANGO_SETTINGS_MODULE": "press.settings"}
    environment["XDG_RUNTIME_DIR"] = str(folder)  # where gunicorn puts a socket that would else be in the home folder

    def manage(*arguments: str) -> None:
        if subprocess.run([sys.executable, HERE / "manage.py", *arguments], env=environment).returncode:
            raise Ended(f"manage.py {arguments[0]} has failed.")

    @contextmanager
    def running(name: str, command: list[str], ready: Callable[[], bool]) -> Iterator[None]:
        # A session of its own: Ctrl-C is for this script, which ends the others in their order.
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        parts[name] = process
        try:
            _wait(lambda: ready() or process.poll() is not None, f"{name} does not answer.")
            yield
        finally:
            process.terminate()
            # Also for whoever has its standard output, too: httpd's logger ends after httpd, when all is counted.
            process.communicate()

    parts: dict[str, subprocess.Popen[bytes]] = {}
    cache = folder / "memcached.sock"
    cache.unlink(missing_ok=True)
    who = ["-u", getpass.getuser()] if os.geteuid() == 0 else []
    stack.enter_context(running("memcached", [memcached, "-s", str(cache), *who], cache.exists))
    manage("prepare", "--password", password)
    for name, command, ready in (
        ("gunicorn", _gunicorn(behind), lambda: _answers(behind)),
        ("httpd", [httpd, "-f", str(folder / "httpd.conf"), "-DFOREGROUND"], lambda: _answers(port)),
    ):
        stack.enter_context(running(name, command, ready))
    print(f"http://127.0.0.1:{port}/", flush=True)
    print(f"http://127.0.0.1:{port}/owner/    name: owner    password: {password}", flush=True)
    print("Reload a page, and its number rises. Ctrl-C ends.", flush=True)
    while all(process.poll() is None for process in parts.values()):
        time.sleep(0.5)
    raise Ended("A part of the site has ended: see above, and httpd.log.")


def _configure(folder: Path, port: int, behind: int) -> None:
    """The two files beside this script, with this machine's paths, below what a distribution's httpd.conf has."""
    user = getpass.getuser()
    replaced = {
        "/srv/press/site": str(HERE),
        "/srv/press": str(folder),
        "/srv/venv/bin/python": sys.executable,
        "--user www-data": f"--user {user}" if os.geteuid() == 0 else "",
        "*:80": f"127.0.0.1:{port}",
        "127.0.0.1:8000": f"127.0.0.1:{behind}",
    }
    base = BASE.format(folder=folder, port=port, modules="\n".join(_modules()), user=_httpd_user())
    for name, before in (("httpd.conf", base), ("pipelog.toml", "")):
        text = (HERE / name).read_text()
        for there, here in replaced.items():
            text = text.replace(there, here)
        (folder / name).write_text(before + text)
    (folder / "mime.types").write_text("text/css css\ntext/javascript js\nimage/svg+xml svg\n")


def _modules() -> Iterator[str]:
    folder = next((folder for folder in MODULES if folder.is_dir()), None)
    if folder is None:
        raise Ended("httpd's modules are not where they usually are.")
    for name in ("mpm_event", "unixd", "authz_core", "log_config", "mime", "alias", "proxy", "proxy_http"):
        if (folder / f"mod_{name}.so").exists():
            yield f'LoadModule {name}_module "{folder}/mod_{name}.so"'


def _httpd_user() -> str:
    try:
        return f"User {pwd.getpwnam('www-data').pw_name}\nGroup www-data" if os.geteuid() == 0 else ""
    except KeyError:
        return ""


def _gunicorn(port: int) -> list[str]:
    where = ["--bind", f"127.0.0.1:{port}", "--chdir", str(HERE)]
    return [sys.executable, "-P", "-m", "gunicorn", *where, "--workers", "2", "--log-level", "warning", "press.wsgi"]


def _program(*names: str) -> str:
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    for name in names:
        if found := shutil.which(name, path=places):
            return found
    raise Ended(f"{' or '.join(names)} is not installed; on Debian: apt-get install apache2-bin memcached")


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise Ended(otherwise)
        time.sleep(0.05)


def _end(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # once is enough
    raise Ended


if __name__ == "__main__":
    sys.exit(main())
