"""Real logs with known figures, other parsers' cases, and lines of a real httpd (the folder `shared/data`)."""

from __future__ import annotations

import ast
import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelog.errors import FormatError, LineError
from pipelog.parsing.clf import clf_time, parse_clf_time, split_request, text
from pipelog.parsing.columns import Columns
from pipelog.parsing.logformat import LogFormat
from pipelog.parsing.times import time_format

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"

if not DATA.is_dir():
    if os.environ.get("CI") == "true":
        pytest.fail(f"no folder {DATA}", pytrace=False)
    pytest.skip(f"no folder {DATA}", allow_module_level=True)


def lines_of(path: Path) -> list[bytes]:
    return contents(path).removesuffix(b"\n").split(b"\n")


def contents(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


# --- logs with known figures -------------------------------------------------------------------------------------

# nginx's format of this log, as the directives that write the same.
GONX = '%h %t "%r" %>s %I %b %T "%{size}n" %{read}n %{generated}n'
TRUTHS = sorted(path.stem for path in (DATA / "truth").glob("*.json"))


def truth_of(name: str) -> tuple[dict[str, Any], LogFormat, bytes]:
    truth = json.loads((DATA / "truth" / f"{name}.json").read_text())
    format = LogFormat(GONX if truth["format"].startswith("$") else truth["format"])
    return truth, format, contents(DATA / "logs" / truth["file"])


def same_as_truth(truth: dict[str, Any], figures: dict[str, Any]) -> None:
    """Compares figures: those of the truth, or those with what may be recovered from its broken lines."""
    extra = [bad["recoverable_as"] for bad in truth["unparseable"] if "recoverable_as" in bad]
    assert figures["parseable"] in (truth["parseable"], truth["parseable"] + len(extra))
    if figures["parseable"] == truth["parseable"]:
        for key in ("hits_per_day_local", "status", "bytes_total"):
            assert figures[key] == truth[key], key


@pytest.mark.parametrize("name", TRUTHS)
def test_log_by_parse(name: str) -> None:
    truth, format, log = truth_of(name)
    in_parts = "%r" not in format.directives
    days, status, methods, paths = Counter[str](), Counter[str](), Counter[str](), Counter[tuple[str, str | None]]()
    bad, size, malformed = [], 0, 0
    lines = log.removesuffix(b"\n").split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            record = format.parse(line)
        except LineError:
            bad.append(number)
            continue
        assert record.time is not None
        assert record.size is not None
        day = record.time.date().isoformat()
        days[day] += 1
        status[f"{record.status:03}"] += 1
        size += record.size
        if in_parts:
            # The truth counts "-" in %m and %U as a method and a path, and the path as logged (decoded).
            methods[record.method or "-"] += 1
            path = record.fields["%U"] or "-"
        elif record.target is None:
            malformed += 1
            continue
        else:
            methods[record.method or "-"] += 1
            path = record.target.split("?", 1)[0]
        paths[day, path] += 1
    figures = {"parseable": len(lines) - len(bad), "hits_per_day_local": days, "status": status, "bytes_total": size}
    assert len(lines) == truth["lines_total"]
    assert set(bad) <= {line["line"] for line in truth["unparseable"]}
    same_as_truth(truth, figures)
    assert malformed == truth["request_malformed"]["count"]
    assert methods == truth["methods"]
    assert paths == hits_of(truth)


def hits_of(truth: dict[str, Any]) -> Counter[tuple[str, str | None]]:
    table = contents(DATA / "truth" / truth["hits_table"]["file"])
    hits = Counter[tuple[str, str | None]]()
    for day, path, count in map(json.loads, table.splitlines()):
        # The truth keeps escapes as written; "-" stands there for a missing %U.
        hits[day, text(path.encode("latin-1")) or "-"] += count
    return hits


@pytest.mark.parametrize("name", TRUTHS)
def test_log_by_columns(name: str) -> None:
    truth, format, log = truth_of(name)
    columns = format.columns(log)
    assert columns.lines == truth["lines_total"]
    days = Counter(clf_time(time).date().isoformat() for time in columns.times)
    figures = {
        "parseable": len(columns.times),
        "hits_per_day_local": days,
        "status": Counter(status.decode() for status in columns.statuses),
        "bytes_total": sum(int(size) for size in columns.sizes if size != b"-"),
    }
    same_as_truth(truth, figures)
    requests = [split_request(request) for request in columns.requests]
    if "%r" in format.directives:
        assert sum(target is None for _, target, _ in requests) == truth["request_malformed"]["count"]
        assert Counter(method for method, target, _ in requests if target is not None) == truth["methods"]
    else:
        assert Counter(method or "-" for method, _, _ in requests) == truth["methods"]
    same_as_parse(format, log, columns)


def same_as_parse(format: LogFormat, log: bytes, columns: Columns) -> None:
    rows, bad, offset = [], [], 0
    for line in log.removesuffix(b"\n").split(b"\n"):
        try:
            record = format.parse(line)
            rows.append(
                (record.time, record.site, record.method, record.target, record.protocol, record.referrer, record.agent)
            )
        except LineError:
            bad.append(offset)
        offset += len(line) + 1
    times = map(clf_time, columns.times)
    requests = map(split_request, columns.requests)
    texts = (map(text, column) for column in (columns.sites, columns.referrers, columns.agents))
    assert rows == [
        (time, site, *request, referrer, agent)
        for time, request, site, referrer, agent in zip(times, requests, *texts, strict=True)
    ]
    assert [place for place, _ in columns.bad] == bad


@pytest.mark.parametrize("name", sorted(path.name for path in (DATA / "logs").glob("lnav*")))
def test_small_logs_without_figures(name: str) -> None:
    log = contents(DATA / "logs" / name)
    columns = LogFormat("combined").columns(log)
    assert (len(columns.times), columns.bad) == (log.count(b"\n"), [])
    same_as_parse(LogFormat("combined"), log, columns)


# --- lines of a real httpd, in six formats -----------------------------------------------------------------------

HTTPD = {
    "combined": "debian_combined",
    "vhost": "vhost_combined",
    "combinedio": "combinedio",
    "common_b": "common",
    "agent": "%{User-agent}i",
    "referer": "%{Referer}i -> %U",
}


def httpd_lines(name: str) -> list[bytes]:
    return lines_of(DATA / "httpd" / f"tricky_{name}.log")


@pytest.mark.parametrize("name", HTTPD)
def test_httpd_lines_agree_between_formats(name: str) -> None:
    reference = [LogFormat("debian_combined").parse(line) for line in httpd_lines("combined")]
    records = [LogFormat(HTTPD[name]).parse(line) for line in httpd_lines(name)]
    assert len(records) == len(reference) == 118
    for number, (record, expected) in enumerate(zip(records, reference, strict=True), 1):
        shared = record.fields.keys() & expected.fields.keys()
        assert {key: record.fields[key] for key in shared} == {key: expected.fields[key] for key in shared}, number
        if name == "vhost":
            assert (record.site, record.fields["%p"]) == ("test.local", 80)
        if "%{User-agent}i" in record.fields:
            assert record.agent == expected.agent
        if name != "referer" and name != "agent":
            assert record[4:8] == expected[4:8], number  # method, target, protocol, status
    if name not in ("agent", "referer"):
        log = b"\n".join(httpd_lines(name))
        same_as_parse(LogFormat(HTTPD[name]), log, LogFormat(HTTPD[name]).columns(log))


def test_httpd_path_is_that_of_the_request() -> None:
    compared = 0
    for by_path, by_line in zip(httpd_lines("referer"), httpd_lines("combined"), strict=True):
        record = LogFormat("debian_combined").parse(by_line)
        logged = LogFormat(HTTPD["referer"]).parse(by_path)
        if record.status == 200 and record.target and re.fullmatch(r"/[\w.]+(\?.*)?", record.target):
            compared += 1
            assert logged.target == record.target.split("?")[0]
    assert compared > 40


def sent_and_logged() -> Iterator[tuple[bytes, bytes]]:
    """What a client sent, and the line number of what was logged, where the notes show both in full."""
    notes = (DATA / "httpd" / "tricky_notes.md").read_text()
    for number, sent in re.findall(r"^(\d+) \[.*\n    sent: (b'.*')$", notes, re.MULTILINE):
        if "bytes)..." not in sent:
            yield ast.literal_eval(sent), httpd_lines("combined")[int(number) - 1]


def header(sent: bytes, name: bytes) -> str | None:
    found = re.findall(rb"(?i)(?<=\r\n)%b: *(.*?) *(?=\r\n(?! ))" % name, sent, re.DOTALL)
    # RFC 9112 section 5.2: a fold is a blank.
    return re.sub(rb"\r\n +", b" ", found[0]).decode("utf-8", "surrogateescape") if len(found) == 1 else None


def test_httpd_lines_tell_what_was_sent() -> None:
    compared = Counter[str]()
    for sent, line in sent_and_logged():
        record = LogFormat("debian_combined").parse(line)
        if record.status not in (200, 404):
            continue
        words = sent.strip(b"\r\n").split(b"\r\n")[0].decode("utf-8", "surrogateescape").split()
        if len(words) == 3 and "@" not in words[1] and "\n" not in sent.decode("latin-1").splitlines()[0]:
            compared["request"] += 1
            assert (record.method, record.target, record.protocol) == tuple(words)
        for name, value in ((b"User-Agent", record.agent), (b"Referer", record.referrer)):
            wanted = header(sent, name)
            if wanted is not None and wanted != "-":
                compared[name.decode()] += 1
                assert value == wanted
    assert compared["request"] > 40
    assert compared["User-Agent"] > 10
    assert compared["Referer"] > 2


@pytest.mark.parametrize(
    ("number", "user"),
    [(71, "john doe"), (72, 'quo"te'), (73, "back\\slash"), (74, "ünïcode"), (75, "lat\udce9"), (76, "tab\tuser"),
     (77, "br]ack[et"), (78, ""), (79, "alice"), (80, "ev\nil [01/Jan/2000")],
)  # fmt: skip
def test_httpd_users(number: int, user: str) -> None:
    record = LogFormat("debian_combined").parse(httpd_lines("combined")[number - 1])
    assert (record.user, record.target) == (user, "/auth/a.txt")


@pytest.mark.parametrize(("number", "host"), [(81, "2001:db8::dead:beef"), (82, "192.0.2.7"), (83, "fe80::1%lo")])
def test_httpd_hosts(number: int, host: str) -> None:
    assert LogFormat("debian_combined").parse(httpd_lines("combined")[number - 1]).host == host


@pytest.mark.parametrize("number", [34, 37, 38, 39, 40, 41, 45])
def test_httpd_lines_without_a_request(number: int) -> None:
    record = LogFormat("debian_combined").parse(httpd_lines("combined")[number - 1])
    assert (record.method, record.target, record.protocol) == (None, None, None)


# --- other parsers' cases ----------------------------------------------------------------------------------------

# Deliberately not followed, and why.
NOT_FOLLOWED = {
    **dict.fromkeys(
        [f"kassner_log_parser-{number:03}" for number in (169, 170, 172, 173)],
        "%m: httpd logs any method that a client sends, and blanks at the end of a line are overlooked",
    ),
    **dict.fromkeys(
        [f"kassner_log_parser-{number:03}" for number in (178, 179, 180, 181)],
        "%H: httpd logs the protocol as sent (HTTP/3.7 was seen); what it means is not the pattern's business",
    ),
    **dict.fromkeys(
        [f"kassner_log_parser-{number:03}" for number in (191, 192, 197)],
        "%S is a scheme in the peer's own language; in httpd (mod_logio) it is a number of bytes",
    ),
    **dict.fromkeys(
        [f"kassner_log_parser-{number:03}" for number in (221, 223, 224, 225, 226)],
        "%u: a user name may hold anything, and blanks at the end of a line are overlooked",
    ),
    **dict.fromkeys(
        [f"kassner_log_parser-{number:03}" for number in (22, 23, 24, 25, 26)],
        "%Y is a directive that the peer's user defined",
    ),
    "request_log_analyzer-009": "%{micro}D is the peer's own",
    "request_log_analyzer-010": "%{milli}D is the peer's own",
    "lars-042": "%b and %B in one format are legal",
}
PARSED = ("line", "single_directive", "custom_time")


def cases(*kinds: str) -> list[Any]:
    wanted = [case for case in all_cases() if case["kind"] in kinds and case["id"] not in NOT_FOLLOWED]
    return [pytest.param(case, id=case["id"]) for case in wanted]


def all_cases() -> Iterator[dict[str, Any]]:
    for path in sorted((DATA / "cases").glob("*.jsonl")):
        yield from map(json.loads, path.read_text().splitlines())


def test_cases_not_followed_do_differ() -> None:
    differing = [case for case in all_cases() if case["id"] in NOT_FOLLOWED]
    assert len(differing) == len(NOT_FOLLOWED)
    for case in differing:
        with pytest.raises((AssertionError, FormatError, pytest.fail.Exception)):
            refused(case) if case["kind"] == "format_error" else agrees_with_one(case)


@pytest.mark.parametrize("case", cases("format_error"))
def test_format_error(case: dict[str, Any]) -> None:
    refused(case)


def refused(case: dict[str, Any]) -> None:
    with pytest.raises(FormatError) as caught:
        LogFormat(case["format"])
    assert case["format"][caught.value.position] == "%"


@pytest.mark.parametrize("case", cases("timestamp"))
def test_timestamp(case: dict[str, Any]) -> None:
    expect = case["expect"]
    if expect.get("match") is False:
        with pytest.raises(ValueError, match=r"."):
            parse_clf_time(case["line"])
        return
    time = parse_clf_time(case["line"])
    assert time.isoformat() == expect.get("time", time.isoformat())
    assert time.astimezone(UTC).isoformat() == expect.get("time_utc", time.astimezone(UTC).isoformat())


@pytest.mark.parametrize("case", cases("unescape"))
def test_unescape(case: dict[str, Any]) -> None:
    assert text(case["line"].encode()) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("custom_time_german"))
def test_names_are_english_alone(case: dict[str, Any]) -> None:
    with pytest.raises(LineError):
        LogFormat(case["format"]).parse(case["line"].encode())


@pytest.mark.parametrize("case", cases(*PARSED))
def test_line(case: dict[str, Any]) -> None:
    agrees_with_one(case)


def agrees_with_one(case: dict[str, Any]) -> None:
    """That a case comes out as expected, in one of the ways that are right."""
    format, line = case["format"], case.get("line")
    line = case["line_latin1"].encode("latin-1") if line is None else line.encode()
    if format == "%%":  # a format without directive is refused, so give it one
        format, line = "%%%s", line + b"200"
    wrong = [problem(format, line, case["format"], expect) for expect in case["expect"].get("any_of", [case["expect"]])]
    assert None in wrong, wrong


def problem(format: str, line: bytes, directive: str, expect: dict[str, Any]) -> str | None:
    """What differs from the expectation; None where nothing does."""
    parser = LogFormat(format)
    try:
        record = parser.parse(line)
    except LineError as error:
        return None if expect.get("match") is False else str(error)
    if expect.get("match") is False:
        return "matches"
    found = {**record.fields, **parts_of(parser, record.fields), "%%": "%"}
    wanted = dict(expect.get("directives", {}))
    if "value" in expect:
        wanted[directive] = expect["value"]
    for name, value in wanted.items():
        if not equal(found.get(name, "absent"), value):
            return f"{name}: {found.get(name, 'absent')!r}, expected {value!r}"
    for name in ("method", "target", "protocol"):
        if name in expect and not equal(getattr(record, name), expect[name]):
            return f"{name}: {getattr(record, name)!r}"
    for name in ("request_time", "begin_request_time", "end_request_time", "time"):
        if name in expect and not equal(record.time, expect[name]):
            return f"time: {record.time}"
    if "time_utc" in expect and not equal(record.time and record.time.astimezone(UTC), expect["time_utc"]):
        return f"time: {record.time}"
    return None


def parts_of(format: LogFormat, fields: dict[str, Any] | Any) -> dict[str, Any]:
    """The peers give each conversion of a %{...}t a field of its own: "%200{begin:%Y}t"."""
    found = {}
    for directive in format.directives:
        before, _, param = directive[:-2].partition("{")
        value = fields[directive]
        if not directive.endswith("}t") or not isinstance(value, str | int | None):
            continue
        prefix = re.match(r"(begin:|end:)?", param)
        assert prefix
        made = {} if value is None else dict(time_format(param).parts(str(value).encode()))
        year, month, day = (made.get(f"%{letter}") for letter in "Ymd")
        year = year or made.get("%y", 0) + 2000
        clock = ":".join(f"{made.get(f'%{letter}', 0):02}" for letter in "HMS")
        for conversion in re.findall(r"%[A-Za-z]", param):
            part: Any = made.get(conversion)
            if value is not None and conversion in ("%D", "%F"):
                part = f"{year:04}-{month:02}-{day:02}"
            elif value is not None and conversion in ("%T", "%R"):
                part = clock if conversion == "%T" else clock[:6] + "00"
            elif conversion == "%z" and part is not None:
                part = {"utcoffset_minutes": part.utcoffset(None).total_seconds() / 60}
            found[f"{before}{{{prefix[0]}{conversion}}}t"] = part
    return found


def equal(ours: Any, theirs: Any) -> bool:
    """Whether a value is what a case expects: numbers may be strings there, bytes latin-1 letters; an empty %q is a
    missing one to some."""
    if isinstance(theirs, dict) and "bytes_latin1" in theirs:
        theirs = theirs["bytes_latin1"]
    if isinstance(ours, datetime):
        return ours.isoformat() == theirs
    if isinstance(ours, int | float) and isinstance(theirs, str):
        return ours == type(ours)(theirs)
    if isinstance(ours, str):
        latin = ours.encode("utf-8", "surrogateescape").decode("latin-1")
        return theirs in (ours, latin) or (ours == "" and theirs is None)
    return bool(ours == theirs)
