"""What others count on the same log, line by line: `python tests/benchmarks/comparison.py --write docs/comparison.md`.

GoAccess and AWStats are run. Their reports hold sums only, so each is run twice: on the log as it is, and on a copy in
which every line tells its number where the tool repeats it (GoAccess: before the path; AWStats: as the address). The
second report says what became of each line; it must have the sums of the first, or the script ends. GoatCounter and
Matomo's importer need servers of their own: their rules were read and are applied here, which is said in the table.

Then every line that pipelog counts and another does not, or the reverse, is given one reason. A line without a reason
ends the script.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2])]

import pages  # noqa: E402

from pipelog.counting.rules import Rules  # noqa: E402
from pipelog.counting.views import Judge  # noqa: E402
from pipelog.errors import LineError  # noqa: E402
from pipelog.model import Record  # noqa: E402
from pipelog.parsing.logformat import LogFormat  # noqa: E402

LOG = HERE.parents[2] / ".." / "shared" / "data" / "logs" / "elastic_semicomplete_2015.log.gz"
COMMAND = "python tests/benchmarks/comparison.py --write docs/comparison.md"
GOACCESS_CONFIG = "--config-file=/etc/goaccess/goaccess.conf"
AWSTATS = Path("/usr/lib/cgi-bin/awstats.pl")
AWSTATS_CONFIG = """
LogFile="{log}"
LogType=W
LogFormat=1
SiteDomain="{site}"
HostAliases="{site}"
DNSLookup=0
DirData="{folder}"
NotPageList="css js class gif jpg jpeg png bmp ico rss xml swf eot woff woff2"
ValidHTTPCodes="200 304"
"""
# Endings that Matomo's importer leaves out, or sends as downloads.
NO_VIEWS = re.compile(
    "gif|jpe?g|png|bmp|ico|svgz?|[to]tf|eot|woff2?|class|swf|css|js|xml|webp|avif"
    "|7z|bin|csv|deb|docx?|exe|flv|gz|jar|mp[34]|mpg|pdf|ppt|rar|rpm|tar|tgz|txt|zip"
)
SHOWN = 4
Verdict = dict[int, str]
"""Number of a line that is counted -> page."""

DOWNLOADS = "downloads: pdf, txt, log …"
OLD_BROWSERS = "old browsers, taken for robots"
LIBRARY = "a browser with a word of its list"
NO_LINE, ASSETS, PROGRAMS = "no line of the format", "files that belong to a page", "programs"
WHY = {
    PROGRAMS: "pipelog counts them in the dimension `bot`. GoAccess counts everybody unless told otherwise, and its"
    " list of crawlers is shorter; AWStats counts readers of feeds as people",
    ASSETS: "endings that are not in the others' lists: fonts, scripts, archives; or a query behind the ending",
    "status 301": "a redirect; the page that it leads to has a line of its own",
    "status 206": "a part of a file",
    "status 403": "nobody saw a page",
    "status 404": "nobody saw a page; pipelog has the dimension `missing`",
    "status 416": "nobody saw a page",
    "status 500": "nobody saw a page",
    "HEAD requests": "no page was sent",
    "POST requests": "a form or a program",
    "OPTIONS requests": "no page",
    NO_LINE: "cut off inside the agent (line 8,899): pipelog reports it as bad, GoAccess reads what is there",
    DOWNLOADS: "people read them, so each is a page to pipelog; to others they are no pages (AWStats and Matomo list"
    " them as downloads)",
    LIBRARY: "Lynx, a browser, which names its library libwww",
    OLD_BROWSERS: "AWStats takes Firefox up to 10 and Internet Explorer up to 6 for robots, which they may be; pipelog"
    " does not judge by age",
}
"""Why a line is counted by one and not by another; a reason that is not here ends the script."""


class ComparisonError(Exception):
    """Two ways to the same number disagree, or a line has no reason."""


@dataclass(frozen=True)
class Line:
    """A line of the log, and what pipelog makes of it: `why` is "" for a view."""

    number: int
    raw: bytes
    record: Record | None
    page: str
    why: str

    @property
    def target(self) -> str:
        return (self.record and self.record.target) or ""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def ending(self) -> str:
        name = self.path.rpartition("/")[2]
        return name.rpartition(".")[2].lower() if "." in name else ""

    @property
    def status(self) -> int:
        return (self.record and self.record.status) or 0

    @property
    def agent(self) -> str:
        return (self.record and self.record.agent) or ""


@dataclass(frozen=True)
class Tool:
    """What a tool counted: its own name for it, line -> page, and why it leaves out a line that pipelog counts."""

    name: str
    counts: str
    pages: Verdict
    leaves_out: Callable[[Line], str]
    run: bool = True  #: False: its rules were read and applied here
    note: str = ""


# -- pipelog -------------------------------------------------------------------------------------------------------


def read(log: Path, site: str) -> list[Line]:
    """The lines, judged one by one."""
    raw = log.read_bytes()
    raws = (gzip.decompress(raw) if log.suffix == ".gz" else raw).splitlines(keepends=True)
    format, judge = LogFormat("combined"), Judge(Rules(site=site))
    return [judged(number, raw, format, judge) for number, raw in enumerate(raws, 1)]


def judged(number: int, raw: bytes, format: LogFormat, judge: Judge) -> Line:
    """A line and the first rule that makes it no view."""
    try:
        record = format.parse(raw.rstrip(b"\r\n"))
    except LineError:
        return Line(number, raw, None, "", "no line of the format")
    request = judge.request(record.method, record.target)
    if record.method not in judge.rules.methods:
        return Line(number, raw, record, "", f"{record.method} requests")
    if record.status not in judge.rules.statuses:
        return Line(number, raw, record, "", f"status {record.status}")
    if request.page is None:
        return Line(number, raw, record, "", "files that belong to a page")
    if judge.bot(record.agent):
        return Line(number, raw, record, "", "programs")
    return Line(number, raw, record, request.page, "")


def pipelog(lines: Sequence[Line], log: Path, site: str, folder: Path) -> Tool:
    """The views of a real rollup, which must be those of the lines."""
    days = sorted(line.record.time.date().isoformat() for line in lines if line.record and line.record.time)
    command = [sys.executable, "-P", "-m", "pipelog", "rollup", "--since", days[0], "--until", days[-1]]
    run([*command, "--state", str(folder), "--site", site, "--sink", f"csv://{folder}/days", str(log)])
    written: Counter[str] = Counter()
    for path in (folder / "days").glob("**/*.csv"):
        for row in path.read_text("utf-8").splitlines():
            cells = row.split(",")
            if "views" in cells:
                at = cells.index("views")
                written[cells[at - 1].strip('"')] += int(cells[-1])
    counted = {line.number: line.page for line in lines if not line.why}
    same("pipelog rollup", sum(written.values()), len(counted))
    same("pipelog rollup, pages", len(written), len(set(counted.values())))
    return Tool("pipelog", "views", counted, lambda line: "")


# -- GoAccess ------------------------------------------------------------------------------------------------------


def goaccess(lines: Sequence[Line], folder: Path, *options: str) -> Tool:
    """Panel "requested files" of GoAccess; the query is part of a file's name unless it is told otherwise."""
    plain = _goaccess(folder, (line.raw for line in lines), options)
    marked = _goaccess(folder, (_before_path(line) for line in lines), options)
    for panel in ("requests", "static_requests", "not_found"):
        same(f"GoAccess, {panel}", *(report[panel]["metadata"]["hits"]["total"] for report in (plain, marked)))
    same("GoAccess, excluded", plain["general"]["excluded_hits"], marked["general"]["excluded_hits"])
    pages: Verdict = {}
    for row in marked["requests"]["data"]:
        _, number, path = row["data"].split("/", 2)
        pages[int(number)] = "/" + path
    same("GoAccess, lines", len(pages), plain["requests"]["metadata"]["hits"]["total"]["value"])

    def leaves_out(line: Line) -> str:
        return DOWNLOADS if line.number in static else ""

    static = {int(row["data"].split("/", 2)[1]) for row in marked["static_requests"]["data"]}
    return Tool(" ".join(("GoAccess", *options)), "requests of files that are not static", pages, leaves_out)


def _goaccess(folder: Path, lines: Iterable[bytes], options: Sequence[str]) -> dict:  # type: ignore[type-arg]
    log, report = folder / "goaccess.log", folder / "goaccess.json"
    log.write_bytes(b"".join(lines))
    settings = [
        "--config-file=/etc/goaccess/goaccess.conf",
        "--log-format=COMBINED",
        "--max-items=1000000000",
        "--no-progress",
    ]
    run(["goaccess", str(log), *settings, *options, "-o", str(report)])
    made: dict = json.loads(report.read_text("utf-8", "replace"))  # type: ignore[type-arg]
    return made


def _before_path(line: Line) -> bytes:
    return re.sub(rb'(?<=") ?([A-Z]+) ', rb"\g<1> /%d" % line.number, line.raw, count=1)


# -- AWStats -------------------------------------------------------------------------------------------------------


def awstats(lines: Sequence[Line], folder: Path, site: str) -> Tool:
    """Pages of "viewed traffic"."""
    plain = _awstats(folder / "plain", (line.raw for line in lines), site)
    marked = _awstats(folder / "marked", (_as_address(line) for line in lines), site)
    viewed = {int(fields[0].replace(".", "")[2:]): int(fields[1]) for fields in rows(marked, "VISITOR")}
    same("AWStats, pages", *(sum(int(fields[1]) for fields in rows(text, "DAY")) for text in (plain, marked)))
    same("AWStats, pages of lines", sum(viewed.values()), sum(int(fields[1]) for fields in rows(plain, "DAY")))
    by_number = {line.number: line for line in lines}
    pages = {number: re.sub(r"(?<=/)index\.html$", "", by_number[number].path) for number, n in viewed.items() if n}
    same("AWStats, addresses of pages", len(set(pages.values())), len(list(rows(plain, "SIDER"))))

    def leaves_out(line: Line) -> str:
        return DOWNLOADS if line.number in viewed else OLD_BROWSERS if line.number in gone else ""

    left = [line for line in lines if not line.why and line.number not in viewed]
    gone = {line.number for line in left}
    found = rows(_awstats(folder / "left", (line.raw for line in left), site), "ROBOT")
    rules = Counter({fields[0].replace("[\\x20]", " "): int(fields[1]) for fields in found})
    same("AWStats, views that its robots take away", rules.total(), len(left))
    told = ", ".join(f"`{rule}` {count}" for rule, count in leading(rules))
    note = f"The rules of AWStats' list of robots that took {len(left)} views of browsers away: {told}"
    return Tool("AWStats", "pages of the viewed traffic", pages, leaves_out, note=note + more(rules) + ".")


def _awstats(folder: Path, lines: Iterable[bytes], site: str) -> str:
    folder.mkdir()
    log = folder / "log"
    log.write_bytes(b"".join(lines))
    (folder / "awstats.x.conf").write_text(AWSTATS_CONFIG.format(log=log, folder=folder, site=site))
    run(["perl", str(AWSTATS), "-config=x", f"-configdir={folder}", "-update"])
    return "".join(path.read_text("utf-8", "replace") for path in folder.glob("awstats*.x.txt"))


def _as_address(line: Line) -> bytes:
    number = f"{line.number:09}"
    return f"10.{int(number[:3])}.{number[3:6]}.{number[6:]}".encode() + line.raw[line.raw.index(b" ") :]


def rows(text: str, section: str) -> Iterator[list[str]]:
    """The rows of a section of AWStats' data files."""
    for found in re.findall(rf"^BEGIN_{section} \d+\n(.*?)^END_{section}$", text, re.M | re.S):
        for row in found.splitlines():
            yield row.split(" ")


# -- read, not run -------------------------------------------------------------------------------------------------


def goatcounter(lines: Sequence[Line]) -> Tool:
    """What `goatcounter import -format=combined` sends and its server shows, as read in its sources (2.6 and later).

    By default it leaves out static files, by the end of path and query, and status 300 to 303; its server keeps what
    says bot, crawler or spider, or has an address in it, apart. The server's list of names is not applied here.
    """
    static = re.compile(r"\.(?:js|css|gif|jpe?g|png|svg|ico|web[mp]|mp[34])$")
    bots = re.compile(r"://|bot|crawler|spider", re.I)
    pages = {
        line.number: line.path
        for line in lines
        if line.record and not static.search(line.target) and line.status not in (300, 301, 302, 303)
        if not bots.search(line.agent)
    }
    return Tool("GoatCounter", "page views, at most", pages, lambda line: "", run=False)


def matomo(lines: Sequence[Line]) -> Tool:
    """What Matomo's import_logs.py sends as page views, as read in its source (5.x).

    By default it leaves out static files and status 4xx, 5xx and 3xx but for 304, and sends downloads as such. Of its
    names of bots the general words are applied here; the server has a further list.
    """
    bots = re.compile(r"bot[-/]|robot|crawl|spider|feed|curl|libwww|java/|yahoo|yandex", re.I)
    pages = {
        line.number: line.path
        for line in lines
        if line.record and not NO_VIEWS.fullmatch(line.ending) and line.path != "/robots.txt"
        if (line.status == 304 or line.status < 300) and not bots.search(line.agent)
    }

    def leaves_out(line: Line) -> str:
        return DOWNLOADS if NO_VIEWS.fullmatch(line.ending) else LIBRARY if bots.search(line.agent) else ""

    return Tool("Matomo's importer", "page views, at most", pages, leaves_out, run=False)


# -- tables --------------------------------------------------------------------------------------------------------


def differences(tool: Tool, lines: Sequence[Line]) -> Counter[str]:
    """Reason -> lines that the tool counts and pipelog does not (negative: the reverse)."""
    found: Counter[str] = Counter()
    for line in lines:
        counted = line.number in tool.pages
        if counted and line.why:
            found[line.why] += 1
        elif not counted and not line.why:
            found[tool.leaves_out(line)] -= 1
    for reason in found:
        if reason not in WHY:
            raise ComparisonError(f"{tool.name}: {found[reason]} lines differ, and the reason {reason!r} is unknown")
    same(f"{tool.name}, views and differences", sum(not line.why for line in lines) + found.total(), len(tool.pages))
    return found


def tables(tools: Sequence[Tool], lines: Sequence[Line]) -> str:
    """What stands between the markers of docs/comparison.md."""
    made = ["", f"{len(lines):,} lines, {versions()}.", ""]
    made += ["| | what its number is | number | different pages | |", "|---|---|--:|--:|---|"]
    for tool in tools:
        how = "run" if tool.run else "read"
        made.append(
            f"| {tool.name} | {tool.counts} | {len(tool.pages):,} | {len(set(tool.pages.values())):,} | {how} |"
        )
    found = {tool.name: differences(tool, lines) for tool in tools}
    made += ["", "From pipelog's views to each number, by the lines that make the difference:", ""]
    made += ["| lines | " + " | ".join(found) + " |", "|---" + "|--:" * len(found) + "|"]
    views = sum(not line.why for line in lines)
    made.append("| views of pipelog | " + " | ".join([f"{views:,}"] * len(found)) + " |")
    for reason in WHY:
        if any(found[name][reason] for name in found):
            cells = (f"{count:+,}".replace("-", "−") if (count := found[name][reason]) else "" for name in found)
            made.append(f"| {reason} | " + " | ".join(cells) + " |")
    made.append("| **together** | " + " | ".join(f"**{len(tool.pages):,}**" for tool in tools) + " |")
    made += ["", "| lines | why |", "|---|---|"]
    made += [f"| {reason} | {why} |" for reason, why in WHY.items() if any(found[name][reason] for name in found)]
    made += ["", "Programs that others count as people, the most frequent agents:", ""]
    made += [f"- {tool.name}: {programs(tool, lines)}" for tool in tools if tool.run and found[tool.name][PROGRAMS]]
    made += [f"\n{tool.note}" for tool in tools if tool.note]
    return "\n".join(made) + "\n"


def programs(tool: Tool, lines: Sequence[Line]) -> str:
    """The agents of the most lines that pipelog gives to programs and the tool does not."""
    agents = Counter(line.agent for line in lines if line.number in tool.pages and line.why == PROGRAMS)
    shown = (f"`{agent[:60] or '-'}` {count}" for agent, count in leading(agents))
    return ", ".join(shown) + more(agents)


def leading(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]


def more(counts: Counter[str]) -> str:
    return f", and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""


def versions() -> str:
    said = subprocess.run(["goaccess", "--version"], capture_output=True, text=True, check=True).stdout
    named = re.search(r'\$VERSION\s*= "([\d.]+)', AWSTATS.read_text("latin-1"))
    return f"GoAccess {said.split()[2].rstrip('.')}, AWStats {named[1] if named else '?'}"


# -- small things --------------------------------------------------------------------------------------------------


def run(command: Sequence[str]) -> None:
    """Run a program to its end; `ComparisonError` with its last words where it fails or is not there."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise ComparisonError(f"{command[0]} is not installed; on Debian: apt-get install goaccess awstats") from error
    if done.returncode:
        raise ComparisonError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-500:]}")


def same(what: str, first: object, second: object) -> None:
    """`ComparisonError` where two ways to a number disagree."""
    if first != second:
        raise ComparisonError(f"{what}: {first} in one way, {second} in the other")


def compare(log: Path, site: str) -> str:
    """The tables for a log in Combined Log Format."""
    with tempfile.TemporaryDirectory(prefix="pipelog-") as name:
        folder = Path(name)
        lines = read(log, site)
        tools = [
            pipelog(lines, log, site, folder),
            goaccess(lines, folder),
            goaccess(lines, folder, "--ignore-crawlers"),
            awstats(lines, folder, site),
            goatcounter(lines),
            matomo(lines),
        ]
        return tables(tools, lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--log", type=Path, default=LOG, help="a log in Combined Log Format, plain or .gz")
    options.add_argument("--site", default="www.semicomplete.com", help="the site's own name, no referrer")
    options.add_argument("--write", type=Path, help="put the tables between the markers of this file")
    chosen = options.parse_args()
    try:
        text = compare(chosen.log, chosen.site)
        if chosen.write:
            pages.replace(chosen.write, COMMAND, text)
    except (ComparisonError, ValueError, OSError) as error:
        raise SystemExit(f"comparison: {error}") from error
    print(text)


if __name__ == "__main__":
    main()
