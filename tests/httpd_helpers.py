"""A real httpd for tests: its own folder, a free loopback port, and nothing of the machine's configuration."""

from __future__ import annotations

import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from pipelog.testing import servers

MODULES = (Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules"), Path("/usr/local/apache2/modules"))
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
COMBINED = '%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\"'
BASE = """
ServerRoot "{work}"
DefaultRuntimeDir "{work}"
PidFile "{work}/httpd.pid"
ErrorLog "{work}/error.log"
ServerName localhost
Listen 127.0.0.1:{port}
{modules}
{user}
DocumentRoot "{work}/htdocs"
<Directory "{work}/htdocs">
Require all granted
</Directory>
GracefulShutdownTimeout 0
LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
{more}
"""


def program() -> str:
    """The path of httpd, under whichever name; the test is skipped (in CI: fails) without one."""
    found = shutil.which("apache2", path="/usr/sbin:/usr/bin")
    return found or servers.require("httpd")


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Httpd:
    """httpd with `more` in its configuration ({work} is filled in); started by making it."""

    def __init__(self, work: Path, more: str, *, pages: tuple[str, ...] = ("index.html",), modules: str = "") -> None:
        self.work, self.port, self.program = work, free_port(), program()
        for page in pages:
            path = work / "htdocs" / page
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("<p>a page</p>\n")
        closed = work.parents[: 3 if "PYTEST_XDIST_WORKER" in os.environ else 2]  # pytest's own, to httpd's user
        for folder in (work, *closed, work / "htdocs"):
            folder.chmod(folder.stat().st_mode | 0o055)
        names = ["mpm_event", "unixd", "authz_core", "log_config", "alias", "dir", "mime", *modules.split()]
        (work / "mime.types").write_text("text/html html\n")
        self.configuration = work / "httpd.conf"
        self.configuration.write_text(
            BASE.format(
                work=work,
                port=self.port,
                modules="\n".join(self._load(names)) + f'\nTypesConfig "{work}/mime.types"',
                user="User www-data\nGroup www-data" if os.geteuid() == 0 and _is_user("www-data") else "",
                more=more.replace("{work}", str(work)).replace("{port}", str(self.port)),
            )
        )
        self.start()

    def _load(self, names: list[str]) -> list[str]:
        folder = next((folder for folder in MODULES if folder.is_dir()), None)
        if folder is None:
            servers.missing("httpd's modules are not where they usually are")
        files = [(name, folder / f"mod_{name}.so") for name in names]
        return [f'LoadModule {name}_module "{file}"' for name, file in files if file.exists()]

    def start(self) -> None:
        """Start, and wait until it answers."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPELOG_")}
        self.process = subprocess.Popen(
            [self.program, "-f", str(self.configuration), "-DFOREGROUND"], stdin=subprocess.DEVNULL, env=environment
        )
        servers.eventually(self._answers, "httpd answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.work / "error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def get(self, path: str, *, host: str = "localhost", agent: str = BROWSER, referrer: str = "") -> int:
        """Ask for a page as a browser does; the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Host": host, "User-Agent": agent, "Connection": "close"}
        connection.request("GET", path, headers=headers | ({"Referer": referrer} if referrer else {}))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop httpd and wait for it; its loggers end when they have counted everything."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    def said(self) -> str:
        """The error log, in which loggers write, too."""
        return (self.work / "error.log").read_text()


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
