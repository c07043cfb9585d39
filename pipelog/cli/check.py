"""`pipelog check`: says what will happen, before it does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date, timedelta
from itertools import islice

from pipelog import plugins
from pipelog.backends.keys import Keys
from pipelog.cli import folders
from pipelog.cli.httpd import pitfalls
from pipelog.cli.options import parser, settings_of
from pipelog.config import Settings
from pipelog.counting import bots, crawlers
from pipelog.counting.bot_names import CLASSES
from pipelog.counting.rules import OF_A_SITE
from pipelog.counting.tally import tells_agent
from pipelog.counting.views import Judge
from pipelog.errors import LineError, PipelogError
from pipelog.intake.journal import behind
from pipelog.intake.status import alive, read_status
from pipelog.locators import Location
from pipelog.parsing.chunks import LineBuffer, whole_lines
from pipelog.parsing.logfiles import open_log
from pipelog.parsing.logformat import LogFormat
from pipelog.printable import printable

SAMPLE = 10
READ = 10_000
FAR = timedelta(days=31)
"""From the middle line of a log: what is stamped so far off is late by no request's length, even in a month's log."""

Finding = tuple[str, str]


def run(arguments: Sequence[str]) -> int:
    """Print findings, a line each; 1 when one of them would keep pipelog from its work."""
    made = parser(
        "check",
        "Say what will happen: settings and where each came from, stores, folders, format; a sample of a log.",
        "pipelog check /var/log/apache2/access.log --format combined",
        ("format", "site", "source", "backend", "sink", "archive"),
    )
    made.add_argument("log", nargs="?", metavar="LOG", help="a log file to parse a sample of")
    made.add_argument("--httpd", action="append", metavar="FILE", help="Apache configuration to look through")
    made.add_argument("--agent", metavar="TEXT", help="say whether this user agent is a bot, and why; nothing else")
    options = made.parse_args(arguments)
    settings = settings_of(options)
    if options.agent is not None:
        return _agent(settings, options.agent)
    failed = False
    for title, findings in (
        ("settings", _settings(settings)),
        ("stores", _stores(settings)),
        ("folders", folders.findings(settings)),
        ("intake", _intake(settings)),
        ("format", _format(settings)),
        ("log", _log(settings, options.log) if options.log else iter(())),
        ("httpd", pitfalls(options.httpd)),
    ):
        lines = list(findings)
        if lines:
            print(title)
        for mark, text in lines:
            print(f"  {mark:4} {printable(text)}")
            failed |= mark == "FAIL"
    return int(failed)


def _settings(settings: Settings) -> Iterator[Finding]:
    for setting in fields(settings):
        if setting.name not in ("counting", "origins"):
            value = getattr(settings, setting.name)
            if setting.name in ("backend", "sink"):
                value = _hidden(value)
            if setting.name == "web_token" and value:
                value = "…"
            if value not in ("", 0.0):
                yield "", f"{setting.name} = {value}  ({settings.origins.get(setting.name, 'default')})"
    for rule in fields(settings.counting):
        if rule.name in settings.origins:
            yield "", f"counting.{rule.name} = {getattr(settings.counting, rule.name)}  ({settings.origins[rule.name]})"
    for site, own in settings.counting.sites.items():
        for name in sorted(OF_A_SITE):
            if getattr(own, name) != getattr(settings.counting, name):
                yield "", f'site."{site}".{name} = {getattr(own, name)}'
    yield "", f"bots are told by {crawlers.described(settings.counting.bots)}"


def _agent(settings: Settings, agent: str) -> int:
    value, rule = bots.verdict(agent, crawlers.chosen(settings.counting.bots))
    print("verdict  " + ("person" if value is None else "bot"))
    if value is not None:
        kind, _, name = value.partition("/")
        print(f"class    {kind}: {CLASSES[kind]}\nname     {printable(name)}\ncounts   bot {printable(value)}")
    print(f"because  {printable(rule)}\nlists    {crawlers.described(settings.counting.bots)}")
    return 0


def _hidden(url: str) -> str:
    try:
        return str(Location.parse(url))
    except PipelogError:
        return url.partition(":")[0] + ":…"


def _stores(settings: Settings) -> Iterator[Finding]:
    try:
        with plugins.backend(settings.backend) as backend:
            backend.counts([Keys(settings.prefix).document("check")])
            yield "ok", f"backend {_hidden(settings.backend)} answers"
    except PipelogError as error:
        yield "FAIL", f"backend: {error}"
    try:
        with plugins.sink(settings.sink) as sink:
            days = sink.days()
            yield "ok", f"sink {_hidden(settings.sink)}: {len(days)} days" + (f", last {days[-1].day}" if days else "")
    except PipelogError as error:
        yield "FAIL", f"sink: {error}"


def _intake(settings: Settings) -> Iterator[Finding]:
    status = read_status(settings.state)
    if status is None:
        yield "", "nothing counted yet"
        return
    totals = status.totals
    yield "", "since the journal began: " + ", ".join(f"{totals[name]:,} {name.replace('_', ' ')}" for name in totals)
    left, ago = behind(settings.state, status.position), time.time() - status.time
    running = alive(status.pid)
    yield (
        "ok" if running or not left else "warn",
        (
            f"source {status.source}: journal behind by {left:,} bytes, last commit {ago:,.0f} s ago, "
            + (f"worker {status.pid} is running" if running else "no worker is running")
        ),
    )
    for place in status.bad_places:
        yield "", f"bad line: {place}"
    quarantine = settings.state / "quarantine"
    if quarantine.is_dir() and (files := sorted(quarantine.iterdir())):
        yield "warn", f"{len(files)} lines ended three workers and are put aside in {quarantine}"
        yield "", "to count them: mend what fails (a resolver?), move the files away, restart httpd gracefully, then"
        yield "", "`pipelog replay` counts today again; the rollup of a day counts them in any case"


def _format(settings: Settings) -> Iterator[Finding]:
    try:
        format = LogFormat(settings.format)
        Judge(settings.counting)
    except PipelogError as error:
        yield "FAIL", str(error)
        return
    yield "ok", f"{format.string}  ({format.name})"
    given = format.directives
    if not any(d.endswith("t") for d in given):
        yield "FAIL", "no time (%t): no line belongs to a day"
    if not any(d in ("%v", "%V") for d in given):
        yield "", f"no site (%v): every line is of the site {settings.counting.site!r}"
    if not tells_agent(format):
        yield "warn", "no user agent: bots cannot be told from people"
    if not any(d.lower().endswith(("{referer}i", "{referrer}i")) for d in given):
        yield "warn", "no referrer: sources and search words are not counted"


def _log(settings: Settings, path: str) -> Iterator[Finding]:
    format, judge = LogFormat(settings.format), Judge(settings.counting)
    has_agent = tells_agent(format)
    parsed, bad = 0, []
    days: list[tuple[date, int]] = []
    for number, line in enumerate(_first_lines(path), 1):
        try:
            record = format.parse(line)
        except LineError as error:
            if line.strip():
                bad.append(f"line {number}: {error.reason}: {_text(line)}")
            continue
        parsed += 1
        if record.time is not None:
            days.append((judge.stamp(record.time)[0], number))
        if parsed <= SAMPLE:
            rows = [c for c, _ in judge.coordinates(record, has_agent=has_agent) if c.page]
            what = "; ".join(f"{c.dimension} {c.value}".strip() for c in rows) or "no view"
            yield "", f"{what:30} {rows[0].page if rows else _text(line)}"
    yield (
        "ok" if parsed and not bad else "warn" if parsed else "FAIL",
        f"parsed {parsed:,} of {parsed + len(bad):,} lines",
    )
    for place in bad[:3]:
        yield "", place
    yield from _far_off(days)


def _far_off(days: Sequence[tuple[date, int]]) -> Iterator[Finding]:
    """`days`: day and number of each line."""
    if not days:
        return
    middle = sorted(days)[len(days) // 2][0]
    far = [(day, number) for day, number in days if abs(day - middle) > FAR]
    if far:
        day, number = far[0]
        yield (
            "warn",
            (
                f"{len(far):,} of {len(days):,} lines are stamped more than {FAR.days} days off {middle}, "
                f"the middle of them (line {number}: {day}); each counts in the day of its own stamp"
            ),
        )


def _first_lines(path: str) -> Iterator[bytes]:
    with open_log(path) as (stream, _):
        chunks = whole_lines(stream.read, LineBuffer())
        yield from islice((line for chunk in chunks for line in chunk.removesuffix(b"\n").split(b"\n")), READ)


def _text(line: bytes) -> str:
    return line[:150].decode("utf-8", "backslashreplace").rstrip()
