"""The figures of docs/performance.md: `python tests/benchmarks/run.py [PART …] [--full] [--write FILE]`.

Parts: rollup, pipe, answers, start, fresh, growth, apache; all where none is named. Rivals run side by side: the same
file in the same run, in turn, several rounds; medians are told. Those that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

from httpd_helpers import BROWSER, Httpd  # noqa: E402
from make_log import lines  # noqa: E402
from measuring import Run, descendants, machine, median, memory, run, table  # noqa: E402

from pipelog import config  # noqa: E402
from pipelog.intake.status import read_status  # noqa: E402
from pipelog.shortcuts import hits_of  # noqa: E402
from pipelog.testing import servers  # noqa: E402

BEGIN, END = "<!-- Made by: make bench FULL=1 -->\n", "<!-- Up to here. -->\n"
PIPELOG = [sys.executable, "-P", "-m", "pipelog"]
RIVALS = HERE / "rivals"
DAY = "2026-11-22"
VIEWS = re.compile(r"([\d,]+) views (?:on|of) ([\d,]+) pages")
ENV = {k: v for k, v in os.environ.items() if not k.startswith("PIPELOG_")} | {"PIPELOG_CONFIG": os.devnull}


class Sizes:
    """How much is measured. `full`: as much as the figures of the documentation."""

    def __init__(self, *, full: bool) -> None:
        self.lines = 1_000_000 if full else 100_000
        self.rounds = 3 if full else 2
        self.slow_rounds = 1
        self.growth = (100_000, 1_000_000, 3_000_000) if full else (20_000, 100_000)
        self.asked = 2_000 if full else 500
        self.fresh = 120 if full else 30
        self.seconds = 4.0 if full else 2.0
        self.apache_rounds = 4 if full else 2


def made_log(folder: Path, number: int, *, unique: bool = False) -> Path:
    """A log of so many lines; made once."""
    path = folder / f"{number}{'-unique' * unique}.log"
    if not path.exists():
        other = HERE.parents[2] / "shared" / "bench" / "make_log.py"
        with path.open("w") as file:
            if other.exists():
                odd = ["--unique"] if unique else ["--odd", "0.005"]
                subprocess.run([sys.executable, other, str(number), "--start", DAY, *odd], stdout=file, check=True)
            else:
                file.writelines(line + "\n" for line in lines(number, unique=unique))
    return path


# -- a day's log into the history ----------------------------------------------------------------------------------


def rivals(folder: Path) -> dict[str, list[str]]:
    """Name -> the command that counts a log named behind it; those that are there."""
    found = {"mawk": [shutil.which("mawk") or "", '-F"', "-f", str(RIVALS / "views.awk")]}
    if goaccess := shutil.which("goaccess"):
        report = str(folder / "goaccess.json")
        found["GoAccess"] = [goaccess, "--no-global-config", "--log-format=COMBINED", "--no-progress", "-o", report]
    if find_spec("polars"):
        found["Polars"] = [sys.executable, str(RIVALS / "views_polars.py")]
    if find_spec("lars"):
        found["lars"] = [sys.executable, str(RIVALS / "views_by_line.py"), "lars"]
    if find_spec("apache_log_parser"):
        found["apache-log-parser"] = [sys.executable, str(RIVALS / "views_by_line.py"), "apache-log-parser"]
    return {name: command for name, command in found.items() if command[0]}


SLOW = ("GoAccess", "lars", "apache-log-parser")


def rollup(folder: Path, sizes: Sizes) -> tuple[str, object]:
    log = made_log(folder, sizes.lines)
    runs: dict[str, list[Run]] = {}

    def pipelog(name: str, *options: str) -> None:
        state = Path(tempfile.mkdtemp(dir=folder))
        command = [*PIPELOG, "rollup", DAY, str(log), "--state", str(state), "--source", "bench", *options]
        runs.setdefault(name, []).append(run(command, env=ENV))
        shutil.rmtree(state)

    others = rivals(folder)
    for number in range(sizes.rounds):
        pipelog("pipelog")
        pipelog("pipelog --jobs 1", "--jobs", "1")
        for name, command in others.items():
            if number < (sizes.slow_rounds if name in SLOW else sizes.rounds):
                runs.setdefault(name, []).append(run([*command, str(log)]))
    ours = median(r.seconds for r in runs["pipelog"])
    rows, agreed = [], {}
    for name, each in runs.items():
        seconds = median(r.seconds for r in each)
        if said := VIEWS.search(each[0].output):
            agreed[name] = tuple(int(number.replace(",", "")) for number in said.groups())
        rows.append(
            (
                name,
                f"{seconds:.2f}",
                f"{sizes.lines / seconds:,.0f}",
                f"{median(r.memory for r in each):.0f}",
                f"{seconds / ours:.2f}",
            )
        )
    text = f"{sizes.lines:,} lines, {log.stat().st_size / 1e6:.0f} MB, into an SQLite history, all dimensions:\n\n"
    text += table(("", "seconds", "lines a second", "MB", "× pipelog"), rows) + "\n" + agreement(agreed)
    return text, {name: [r[:3] for r in each] for name, each in runs.items()}


def agreement(counted: dict[str, tuple[int, ...]]) -> str:
    """Whether all have the views and pages that pipelog has; a sentence."""
    ours = counted["pipelog"]
    same = [name for name, views in counted.items() if views == ours and not name.startswith("pipelog")]
    text = f"pipelog: {ours[0]:,} views of {ours[1]:,} pages. The same: {', '.join(same) or 'none'}."
    for name, views in counted.items():
        if views != ours:
            text += f" {name}: {views[0]:,} of {views[1]:,}."
    return text + "\n"


# -- from the pipe to committed counts -----------------------------------------------------------------------------


def pipe(folder: Path, sizes: Sizes) -> tuple[str, object]:
    plain = folder / f"{sizes.lines}-plain.log"
    if not plain.exists():
        with plain.open("w") as file:
            for n in range(sizes.lines):
                second = n * 86_400 // sizes.lines
                clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
                stamp = f"{time.strftime('%d/%b/%Y')}:{clock} {time.strftime('%z')}"
                file.write(f'192.0.2.7 - - [{stamp}] "GET /p/{n % 1000}/ HTTP/1.1" 200 512 "-" "{BROWSER}"\n')
    rows, raw = [], {}
    with ExitStack() as stack:
        server = stack.enter_context(servers.memcached())
        host, port = server.address
        for name, log in (("1,000 pages in turn", plain), ("the log of the rollup", made_log(folder, sizes.lines))):
            commands = {
                "pipelog, SQLite": [*PIPELOG, "--state", "{state}"],
                "pipelog, memcached": [*PIPELOG, "--state", "{state}", "--backend", server.url],
                "a logger with an `incr` a line": [sys.executable, str(RIVALS / "incr_logger.py"), f"{host}:{port}"],
            }
            for what, command in commands.items():
                each = []
                fed, number = log, sizes.lines
                if "incr" in what:  # which takes as long for a tenth
                    fed, number = folder / "tenth.log", sizes.lines // 10
                    with log.open("rb") as whole, fed.open("wb") as part:
                        part.writelines(islice(whole, number))
                for _ in range(1 if "incr" in what else sizes.rounds):
                    state = tempfile.mkdtemp(dir=folder)
                    server.ask(b"flush_all")
                    each.append(run([word.replace("{state}", state) for word in command], stdin=fed, env=ENV))
                    shutil.rmtree(state)
                cpu = median(r.cpu for r in each)
                rows.append(
                    (
                        f"{what}: {name}",
                        f"{number / median(r.seconds for r in each):,.0f}",
                        f"{cpu / number * 1e6:.2f}",
                        f"{median(r.memory for r in each):.0f}",
                    )
                )
                raw[f"{what}: {name}"] = [r[:3] for r in each]
    return table(("", "lines a second", "µs CPU a line", "MB"), rows), raw


# -- answers -------------------------------------------------------------------------------------------------------


def answers(folder: Path, sizes: Sizes) -> tuple[str, object]:
    today = date.today()
    log = folder / "today.log"
    if not log.exists():
        source = made_log(folder, 100_000).read_text(errors="replace")
        log.write_text(source.replace("22/Nov/2026", f"{today:%d/%b/%Y}"))
    found = re.findall(r'"GET (/[^ ?"]+/)[ ?]', log.read_text(errors="replace"))
    pages = list(dict.fromkeys(found))[: sizes.asked]
    rows, raw = [], {}
    with ExitStack() as stack:
        server = stack.enter_context(servers.memcached())
        for name, backend in (("SQLite", ""), ("memcached", server.url)):
            state = Path(tempfile.mkdtemp(dir=folder))
            options = ["--backend", backend] if backend else []
            run([*PIPELOG, "--state", str(state), *options], stdin=log, env=ENV)
            given = {"state": str(state)} | ({"backend": backend} if backend else {})
            hits = hits_of(config.load(given, config=os.devnull, environ={}))
            one = sorted(_timed(partial(hits.today, page)) for page in pages)
            many = [_timed(partial(hits.many, pages[:1_000])) for _ in range(21)][1:]
            rows.append(
                (
                    name,
                    f"{median(one) * 1e6:.0f} µs",
                    f"{one[int(len(one) * 0.99)] * 1e6:.0f} µs",
                    f"{median(many) * 1e3:.1f} ms",
                )
            )
            raw[name] = {"today": one, "many": many}
    return table(("", "`today`, p50", "p99", f"`many`, {min(1_000, len(pages)):,} pages, p50"), rows), raw


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# -- start, rest, freshness ----------------------------------------------------------------------------------------


@contextmanager
def logger(state: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A logger on a pipe."""
    process = subprocess.Popen([*PIPELOG, "--state", str(state), *options], stdin=subprocess.PIPE, env=ENV)
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(30)


def line(page: str) -> bytes:
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z")
    return f'192.0.2.7 - - [{stamp}] "GET {page} HTTP/1.1" 200 512 "-" "{BROWSER}"\n'.encode()


def start(folder: Path, sizes: Sizes) -> tuple[str, object]:
    first, bare, imported = [], [], []
    for _ in range(15):
        state = Path(tempfile.mkdtemp(dir=folder))
        began = time.perf_counter()
        with logger(state) as process:
            assert process.stdin
            process.stdin.write(line("/"))
            process.stdin.flush()
            while not any(path.stat().st_size for path in (state / "journal").glob("*.log")):
                time.sleep(0.0005)
            first.append(time.perf_counter() - began)
        for code, times in (("", bare), ("import pipelog", imported)):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-P", "-c", code], check=True)
            times.append(time.perf_counter() - began)
    state = Path(tempfile.mkdtemp(dir=folder))
    with logger(state) as process:
        assert process.stdin
        process.stdin.write(line("/"))
        process.stdin.flush()
        servers.eventually(lambda: read_status(state), "it has counted")
        time.sleep(1)
        rest = memory(process.pid), sum(map(memory, descendants(process.pid)))
    rows = [
        ("exec → first byte in the journal", f"{median(first) * 1e3:.0f} ms", "100 ms"),
        ("`import pipelog` over bare Python", f"{(min(imported) - min(bare)) * 1e3:.1f} ms", "20 ms"),
        ("supervisor at rest", f"{rest[0]:.0f} MB", "15 MB"),
        ("worker at rest", f"{rest[1]:.0f} MB", "40 MB"),
    ]
    return table(("", "measured", "target"), rows), {"first": first, "rest": rest}


def fresh(folder: Path, sizes: Sizes) -> tuple[str, object]:
    state = Path(tempfile.mkdtemp(dir=folder))
    hits = hits_of(config.load({"state": str(state)}, config=os.devnull, environ={}))
    took = []
    with logger(state) as process:
        assert process.stdin
        for number in range(sizes.fresh):
            time.sleep((number * 37 % 100) / 400)  # at any moment between two commits
            began = time.perf_counter()
            process.stdin.write(line(f"/{number}/"))
            process.stdin.flush()
            while not hits.today(f"/{number}/"):
                time.sleep(0.002)
            took.append(time.perf_counter() - began)
    took.sort()
    p99 = took[int(len(took) * 0.99)]
    rows = [(f"{len(took)} lines", f"{median(took) * 1e3:.0f} ms", f"{p99 * 1e3:.0f} ms", "p99 ≤ 1 s")]
    return table(("a line written → visible in `today`", "p50", "p99", "target"), rows), took


def growth(folder: Path, sizes: Sizes) -> tuple[str, object]:
    rows, raw = [], []
    for number in sizes.growth:
        log, state = made_log(folder, number), Path(tempfile.mkdtemp(dir=folder))
        done = run([*PIPELOG, "rollup", DAY, str(log), "--state", str(state), "--source", "bench"], env=ENV)
        shutil.rmtree(state)
        rows.append((f"{number:,} lines", f"{done.seconds:.1f}", f"{number / done.seconds:,.0f}", f"{done.memory:.0f}"))
        raw.append((number, done.seconds, done.memory))
    text = table(("rollup of", "seconds", "lines a second", "MB"), rows)
    return text + '\nDistinct pages up to ten million: [counting.md](counting.md), "Floods of names".\n', raw


# -- httpd ---------------------------------------------------------------------------------------------------------

LUA = """
local number = 0
function init(arguments)
  pages, tag = tonumber(arguments[1]), arguments[2]
  wrk.headers["User-Agent"] = arguments[3]
end
function request()
  number = number + 1
  if pages > 0 then return wrk.format("GET", "/p/" .. number % pages .. "/") end
  return wrk.format("GET", "/p/" .. tag .. "-" .. number .. "/")
end
"""


def apache(folder: Path, sizes: Sizes) -> tuple[str, object]:
    env = "/usr/bin/env --ignore-signal=TERM PIPELOG_CONFIG=/dev/null"
    loggers = {
        "a plain file": '"{work}/plain.log"',
        "pipelog": f'"|{env} {sys.executable} -P -m pipelog --state {{work}}/kept"',
        "`|cat`, for comparison": '"|/bin/cat"',
    }
    rates: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        sites = {}
        for number, (name, log) in enumerate(loggers.items()):
            work = folder / f"httpd{number}"
            (work / "htdocs").mkdir(parents=True)
            (work / "kept").mkdir(mode=0o750)
            (work / "load.lua").write_text(LUA)
            more = (
                f'AliasMatch "^/p/" "{{work}}/htdocs/index.html"\nMaxKeepAliveRequests 500\nCustomLog {log} combined\n'
            )
            sites[name] = Httpd(work, more)
            stack.callback(sites[name].stop)
        for number in range(sizes.apache_rounds):
            for pages in (1_000, 0):
                for name, site in sites.items():
                    rates.setdefault((name, pages), []).append(_asked(site, pages, f"r{number}", sizes.seconds))
                    time.sleep(1.0)  # what is left to be counted is not the next one's to bear
    rows = []
    for name in loggers:
        row: list[str] = [name]
        for pages in (1_000, 0):
            ratio = [a / b for a, b in zip(rates[name, pages], rates["a plain file", pages], strict=True)]
            row += [f"{median(rates[name, pages]):,.0f}", f"{median(ratio):.3f}"]
        rows.append(row)
    header = ("CustomLog", "requests a second, 1,000 pages", "ratio", "each path once", "ratio")
    return table(header, rows), {f"{name}, {pages}": each for (name, pages), each in rates.items()}


def _asked(site: Httpd, pages: int, tag: str, seconds: float) -> float:
    command = [servers.require("wrk"), "-t1", "-c16", f"-d{seconds}s", "-s", str(site.work / "load.lua")]
    url = f"http://127.0.0.1:{site.port}/"
    done = subprocess.run([*command, url, "--", str(pages), tag, BROWSER], capture_output=True, text=True, check=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


# -- all of it -----------------------------------------------------------------------------------------------------

PARTS: dict[str, tuple[str, Callable[[Path, Sizes], tuple[str, object]]]] = {
    "rollup": ("A day's log into the history", rollup),
    "pipe": ("From the pipe to committed counts", pipe),
    "answers": ("Answers", answers),
    "start": ("Start and rest", start),
    "fresh": ("Freshness", fresh),
    "growth": ("Growth", growth),
    "apache": ("Apache with pipelog", apache),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--full", action="store_true", help="as much as for the documentation")
    parser.add_argument("--write", type=Path, help="put the tables between the markers of this file")
    parser.add_argument("--json", type=Path, help="every single figure")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    sizes, texts, raw = Sizes(full=options.full), [f"{machine()}.\n"], {}
    with tempfile.TemporaryDirectory(prefix="pipelog-bench-") as folder:
        os.chmod(folder, 0o755)
        for name in options.parts or PARTS:
            title, part = PARTS[name]
            text, raw[name] = part(Path(folder), sizes)
            texts.append(f"## {title}\n\n{text}")
            print(texts[-1], flush=True)
    if options.json:
        options.json.write_text(json.dumps(raw, indent=1))
    if options.write:
        write(options.write, "\n".join(texts))
    return 0


def write(path: Path, text: str) -> None:
    """Put text between the markers of a file. SystemExit where it has none."""
    before, begin, rest = path.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} lacks the lines {BEGIN!r} and {END!r}; the tables go between them")
    path.write_text(before + BEGIN + "\n" + text + "\n" + END + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
