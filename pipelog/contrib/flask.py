"""pipelog for Flask: numbers in templates, commands, the live page. See docs/frameworks.md.

    hits = Pipelog(app)          # or init_app(app); settings: app.config["PIPELOG"] = {"config": "/etc/pipelog.toml"}

In templates: `{{ hits_today() }}`, `{{ hits("/releases/1/") }}`; on the command line: `flask pipelog rollup`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

import click
from flask import Flask, Response, abort, current_app, g, request
from flask.cli import with_appcontext

from pipelog.cli import COMMANDS
from pipelog.contrib.application import NAME, Asker, Live, command, load, mounted
from pipelog.errors import PipelogError
from pipelog.queries import PageHits
from pipelog.shortcuts import Process

DEFAULT = "–"
"""What is shown where a store is down, unless `PIPELOG["default"]` or the call says otherwise."""


class _Made(NamedTuple):
    """What one application has."""

    given: dict[str, Any]
    default: Any
    asker: Asker
    live: Live


class Pipelog:
    """The extension. A store that is down breaks no page: its numbers are `default`, and it is logged once a minute."""

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give an application the template globals `hits_today`, `hits`, `prefetch_hits`, and `flask pipelog`."""
        given = dict(app.config.get(NAME) or {})
        default = given.pop("default", DEFAULT)
        process = Process(lambda: load(given))
        app.extensions["pipelog"] = _Made(given, default, Asker(process.hits), Live(process))
        for name in ("hits_today", "hits", "prefetch_hits"):
            app.add_template_global(getattr(self, name), name)
        app.cli.add_command(_command)

    def hits_today(self, page: str | None = None, default: Any = None, site: str | None = None) -> Any:
        """Views today of a path, or of what the resolver makes of one; of the page that is shown by default."""
        found = self._hits(page, site)
        return self._default(default) if found is None else found.today

    def hits(self, page: str | None = None, default: Any = None, site: str | None = None) -> Any:
        """Views ever, today's included."""
        found = self._hits(page, site)
        return self._default(default) if found is None else found.total

    def prefetch_hits(self, pages: Iterable[str], site: str | None = None) -> str:
        """Fetch the numbers of many pages in one round trip, for the rest of this request; "", for templates."""
        wanted = list(pages)
        found = _made().asker.ask(lambda hits: hits.many(wanted, site=site)) or {}
        _ahead().update({(site, page): number for page, number in found.items()})
        return ""

    def mount_live(self, app: Flask, address: str, allowed: Callable[[], bool]) -> None:
        """Mount the live page at an address such as "/pipelog"; a request for which `allowed()` is false gets 403."""

        def live(path: str = "") -> Response:
            if not allowed():
                abort(403)
            environ = mounted(request.environ, request.root_path + address, path)
            status, headers, body = _made().live.answer(environ)
            return Response(body, status, headers)

        app.add_url_rule(f"{address}/", "pipelog_live", live)
        app.add_url_rule(f"{address}/<path:path>", "pipelog_live", live)

    def _hits(self, page: str | None, site: str | None) -> PageHits | None:
        if page is None:
            page = quote(request.root_path + request.path) + "?" + request.query_string.decode("latin-1")
        ahead = _ahead().get((site, page))
        return ahead or _made().asker.ask(lambda hits: hits.many([page], site=site)[page])

    def _default(self, default: Any) -> Any:
        return _made().default if default is None else default


def _made() -> _Made:
    found: _Made = current_app.extensions["pipelog"]
    return found


def _ahead() -> dict[tuple[str | None, str], PageHits]:
    if "pipelog" not in g:
        g.pipelog = {}
    found: dict[tuple[str | None, str], PageHits] = g.pipelog
    return found


@click.command(
    "pipelog",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    help="Run a command of pipelog (rollup, hits, top, …) with the settings in PIPELOG.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_appcontext
def _command(arguments: tuple[str, ...]) -> None:
    known = [name for name in COMMANDS if name != "count"]
    if not arguments or arguments[0] not in known:
        raise click.UsageError(f"name a command of pipelog: {', '.join(known)}")
    try:
        code = command(arguments[0], list(arguments[1:]), _made().given)
    except PipelogError as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    sys.exit(code)
