"""`pipelog serve`: the live page on an address of this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelog.cli.options import parser, settings_of
from pipelog.cli.web import needing_the_extra
from pipelog.errors import SettingsError

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


def run(arguments: Sequence[str]) -> int:
    """Serve until the end of the process."""
    made = parser(
        "serve",
        "The live page: today as it goes, any past day or range. On this machine alone unless told otherwise.",
        "pipelog serve --listen 127.0.0.1:8765",
        ("site", "backend", "sink"),
    )
    made.add_argument("--listen", default="127.0.0.1:8765", metavar="HOST:PORT", help="(127.0.0.1:8765); port 0: any")
    made.add_argument("--prefix", default="", metavar="PATH", help="where a proxy shows it, such as /stats")
    made.add_argument("--hosts", metavar="NAMES", help="names it may be asked for by, with commas (setting web_hosts)")
    made.add_argument(
        "--token", metavar="TEXT", help="secret to be given first (setting web_token, which no list of processes shows)"
    )
    options = made.parse_args(arguments)
    with needing_the_extra("serve"):
        import waitress

        from pipelog.web import make_application
    address = _ADDRESS.fullmatch(options.listen)
    if not address or int(address[2]) > 65_535:
        raise SettingsError(f"--listen {options.listen!r}: give a host and a port, such as 127.0.0.1:8765")
    host, port, prefix = address[1], int(address[2]), options.prefix.rstrip("/")
    if prefix and not prefix.startswith("/"):
        raise SettingsError(f"--prefix {options.prefix!r}: give a path, such as /stats")
    settings = settings_of(options)
    hosts = settings.web_hosts if options.hosts is None else options.hosts
    if host not in ("0.0.0.0", "[::]"):
        hosts = f"{hosts},{host}"
    application = make_application(settings, hosts=hosts, token=options.token)
    server = waitress.create_server(
        application, host=host.strip("[]"), port=port, threads=4, ident="pipelog", url_prefix=prefix
    )
    print(f"http://{host}:{server.effective_port}{prefix}/", flush=True)
    try:
        server.run()
    finally:
        server.close()
    return 0
