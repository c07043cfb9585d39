"""The whole site by one command: httpd with pipelog as its log, the form, and a publication every minute.

    python examples/notice_page/notice_site.py            # prints two addresses and the token; Ctrl-C ends it all

Needs httpd (apache2). Everything is on 127.0.0.1, in a temporary folder that is gone at the end, or in --folder.
On a server httpd is there already, and cron publishes: see crontab and httpd.conf.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from notice import publish
from notice_editor import editor, token_of

import pipelog

MODULES = (Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules"), Path("/usr/local/apache2/modules"))
BASE = """
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/httpd.log"
Listen 127.0.0.1:{port}
{modules}
TypesConfig /dev/null
AddType text/html .html
{user}
LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
"""


def main() -> int:
    """Run the site until Ctrl-C or SIGTERM, or until httpd ends; then 1."""
    parser = argparse.ArgumentParser(description="a main page with an emergency notice")
    parser.add_argument("--folder", type=Path, help="where everything is kept (default: nothing is kept)")
    parser.add_argument("--port", type=int, help="of httpd, on 127.0.0.1 (default: a free one)")
    parser.add_argument("--form", type=int, default=0, help="port of the form, on 127.0.0.1 (default: a free one)")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a script's background job is started with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    httpd = shutil.which("apache2", path="/usr/sbin:/usr/bin") or shutil.which("httpd")
    if not httpd:
        print("httpd is not installed: apt-get install apache2-bin", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        try:
            folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notice-")))
            return _run(folder.absolute(), httpd, options.port or _free_port(), options.form, stack)
        except KeyboardInterrupt:
            return 0


def _run(folder: Path, httpd: str, port: int, form: int, stack: ExitStack) -> int:
    for name in ("", "htdocs", "state"):
        (folder / name).mkdir(exist_ok=True)
    folder.chmod(0o755)  # httpd's own user reads the page
    pipelog.configure(os.devnull, state=str(folder / "state"))
    publish(folder)
    token = token_of(folder)
    (folder / "httpd.conf").write_text(_configuration(folder, port))
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PIPELOG_")}
    server = subprocess.Popen(
        [httpd, "-f", str(folder / "httpd.conf"), "-DFOREGROUND"],
        env=environment | {"PIPELOG_CONFIG": os.devnull},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this script, which ends httpd
    )
    stack.callback(server.communicate)  # until its logger has counted everything and ended, too
    stack.callback(server.terminate)
    ended = threading.Event()
    stack.callback(ended.set)
    wsgi = stack.enter_context(
        make_server("127.0.0.1", form, editor(folder, token), server_class=_Server, handler_class=_Quiet)
    )
    threading.Thread(target=wsgi.serve_forever, daemon=True).start()
    stack.callback(wsgi.shutdown)
    print(f"http://127.0.0.1:{port}/    the page", flush=True)
    print(f"http://127.0.0.1:{wsgi.server_port}/    the form; any name, and the password {token}", flush=True)
    while True:
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            _publish(folder)
            continue
        print(f"httpd has ended: see {folder}/httpd.log", file=sys.stderr)
        return 1


def _publish(folder: Path) -> None:
    try:
        publish(folder)
    except (OSError, ValueError) as error:
        print(f"notice_page: {error}", file=sys.stderr)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:
        pass


def _configuration(folder: Path, port: int) -> str:
    """httpd.conf beside this script, with this folder's paths, below what a distribution's own has."""
    modules = next((place for place in MODULES if place.is_dir()), MODULES[0])
    loaded = [
        f'LoadModule {name}_module "{modules}/mod_{name}.so"'
        for name in ("mpm_event", "unixd", "authz_core", "log_config", "dir", "mime", "headers")
        if (modules / f"mod_{name}.so").exists()
    ]
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    logger = shlex.join([sys.executable, "-P", "-m", "pipelog", "--state", str(folder / "state")])
    ours = Path(__file__).with_name("httpd.conf").read_text()
    ours = ours.replace("/srv/venv/bin/python -P -m pipelog --state /var/lib/pipelog", logger)
    base = BASE.format(folder=folder, port=port, modules="\n".join(loaded), user=user)
    return base + ours.replace("/srv/notice", str(folder))


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
