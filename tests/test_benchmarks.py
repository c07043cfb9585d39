"""The benchmarks themselves: what programs print is read rightly, disagreement is an error, and the page is written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from cli_helpers import REPOSITORY
from shared_data import SHARED

from pipelog.testing import servers

sys.path.append(str(Path(__file__).parent / "benchmarks"))

import httpd
import logs
import make_log
import measure
import pages
import pipe
import report
import rollup
import run
from parts import FULL, QUICK, Part, Plot, Sizes, Table, seconds_of

TINY = Sizes(2_000, 1, 4, 0.5, (1_000, 2_000), (10, 100))
ABOUT = {"cpu": "A", "cores": 2, "memory": "1 GiB", "kernel": "6.1", "python": "3.11", "load": 0.1, "sizes": "quick"}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(logs, "BESIDE", tmp_path / "absent")
    return logs.made(tmp_path, TINY.lines, odd=0.02)


def usage(seconds: float, output: str) -> measure.Usage:
    return measure.Usage(seconds, seconds, 10_000_000, output)


# -- programs side by side -----------------------------------------------------------------------------------------


def test_all_that_do_the_rollup_agree(log: Path, tmp_path: Path) -> None:
    contenders, missing = rollup.contend(log, tmp_path)
    if missing:
        servers.missing(f"not installed: {', '.join(missing)}")
    usages = measure.side_by_side(contenders, 1)
    agreed = measure.agree(contenders, usages)
    assert agreed["lines"] == TINY.lines
    assert 0.7 * TINY.lines < agreed["views"] < 0.9 * TINY.lines
    part = rollup.told(contenders, usages, agreed, missing, TINY)
    assert {"rollup/mawk", "rollup/polars", "rollup/goaccess", "rollup memory"} < set(part.figures)
    assert len(part.tables[0].rows) == len(contenders)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no folder `shared` beside the repository")
def test_they_agree_on_the_log_of_the_bench(tmp_path: Path) -> None:
    log = logs.made(tmp_path, TINY.lines, odd=0.02)
    contenders = [one for one in rollup.contend(log, tmp_path)[0] if not one.slow]
    assert measure.agree(contenders, measure.side_by_side(contenders, 1))["views"] > 1_000


def test_one_that_is_off_is_an_error() -> None:
    two = [measure.Contender(name, [], rollup.json_of) for name in ("one", "other")]
    right, wrong = usage(1, '{"views": 5, "pages": 2}'), usage(1, '{"views": 4, "pages": 2}')
    assert measure.agree(two, {"one": [right], "other": [right]}) == {"views": 5, "pages": 2}
    with pytest.raises(measure.BenchmarkError, match="other has 4 views, one 5"):
        measure.agree(two, {"one": [right, right], "other": [right, wrong]})
    with pytest.raises(measure.BenchmarkError, match="one has 4 views, one 5"):
        measure.agree(two[:1], {"one": [right, wrong]})


def test_pages_of_the_pipe_must_be_the_same() -> None:
    counted: dict[str, int] = {}
    pipe._check("first", {"/a": 2, "/b": 1}, counted)
    pipe._check("sum", {"": 3}, counted)
    for wrong in ({"/a": 1, "/b": 2}, {"": 2}, {"/a": 3}, {}):
        with pytest.raises(measure.BenchmarkError, match="the first run 3 of 2"):
            pipe._check("next", wrong, counted)


def test_each_round_begins_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def note(command: Sequence[str]) -> measure.Usage:
        ran.append(command[0])
        return usage(1, "")

    monkeypatch.setattr(measure, "run", note)
    three = [measure.Contender(name, [name], rollup.json_of, slow=name == "c") for name in "abc"]
    measure.side_by_side(three, 3)
    assert "".join(ran) == "abcbaab"


def test_what_a_run_takes(tmp_path: Path) -> None:
    hold = "import time; held = bytearray(60_000_000); time.sleep(0.3); print(len(held))"
    alone = measure.run([sys.executable, "-c", hold])
    assert alone.output == "60000000\n"
    assert alone.seconds > 0.3
    assert 60e6 < alone.memory < 120e6
    fork = f"import os; pid = os.fork(); exec({hold!r}); pid and os.waitpid(pid, 0)"
    assert 120e6 < measure.run([sys.executable, "-c", fork]).memory < 200e6
    spin = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    assert measure.run([sys.executable, "-c", spin]).cpu >= 0.2
    with pytest.raises(measure.BenchmarkError, match=r"failed: .*no reason"):
        measure.run([sys.executable, "-c", "raise SystemExit('no reason')"])
    with pytest.raises(measure.BenchmarkError, match="absent is not installed"):
        measure.run(["absent"])


def test_wrk_is_read() -> None:
    said = "  50031 requests in 3.00s, 14.1MB read\n{}Requests/sec:  16671.92\nTransfer/sec:  4.71MB\n"
    assert httpd.read_wrk(said.format("")) == (50031, 16671.92)
    errors = "  Socket errors: connect 0, read {}, write {}, timeout 0\n"
    assert httpd.read_wrk(said.format(errors.format(50, 0)))[0] == 50031
    for wrong in ("  Non-2xx or 3xx responses: 7\n", errors.format(51, 0), errors.format(0, 1)):
        with pytest.raises(measure.BenchmarkError, match=r"wrk: (Non-2xx|Socket errors)"):
            httpd.read_wrk(said.format(wrong))
    with pytest.raises(measure.BenchmarkError, match="said nothing"):
        httpd.read_wrk("unable to connect")


def test_a_ratio_lies_between_its_bounds() -> None:
    assert httpd.between([0.5, 2.0]) == pytest.approx((1.0, 0.25, 4.0))
    assert httpd.between([0.97] * 9) == pytest.approx((0.97, 0.97, 0.97))
    assert httpd.between([0.9]) == pytest.approx((0.9, 0.9, 0.9))


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [measure.percentile(values, share) for share in (0.5, 0.99, 1)] == [51, 100, 100]
    assert measure.percentile([3.0], 0.99) == 3


# -- logs ----------------------------------------------------------------------------------------------------------


def test_the_same_options_make_the_same_log() -> None:
    start = datetime(2026, 11, 22)
    made = list(make_log.lines(20_000, start=start, odd=0.01))
    assert made == list(make_log.lines(20_000, start=start, odd=0.01))
    odd = [line for line in made if line.startswith(("198.51.100.9 ", "2001:db8::9 ", "httpd: "))]
    assert 150 < len(odd) < 250
    paths = [line.split('"')[1].split()[1] for line in make_log.lines(1_000, start=start, pages=100)]
    assert {path.partition("?")[0] for path in paths} == {f"/page/{number}/" for number in range(100)}
    assert len({line.split('"')[1] for line in make_log.lines(1_000, start=start, unique=True)}) == 1_000


# -- the page ------------------------------------------------------------------------------------------------------


def part(value: float) -> Part:
    table = Table("Rollup", ["", "seconds"], [["pipelog", "1.00"]], ["All agree."])
    plots = [Plot("bars", "Bars", ["a", "b"], {"x": [1, 2]}), Plot("lines", "Lines", [10, 100], {"x": [1, 2]})]
    return Part([table], {"rollup/mawk": value, "pipe sqlite": 500_000}, plots)


def test_figures_stand_beside_their_targets(tmp_path: Path) -> None:
    held = report.merged(tmp_path / "results.json", "rollup", part(0.4), ABOUT)
    told = report.markdown(held, ("rollup",))
    assert "| worker at rest | ≤ 40 MB | | not measured |" in told
    assert "worker at rest" not in report.markdown(held, ("rollup", "start"))
    assert "| rollup, time beside mawk | ≤ 0.5 × | 0.4 × | met |" in told
    assert "| pipe to committed counts, SQLite, one core | ≥ 400,000 lines/s | 500,000 lines/s | met |" in told
    assert "**Rollup**\n\n|  | seconds |\n|---|--:|\n| pipelog | 1.00 |\n\nAll agree.\n" in told
    held = report.merged(tmp_path / "results.json", "other", part(0.6), ABOUT | {"cores": 4})
    assert "| rollup, time beside mawk | ≤ 0.5 × | 0.6 × | missed by 20 % |" in report.markdown(held, ("rollup",))
    assert list(json.loads((tmp_path / "results.json").read_text())) == ["rollup", "other"]
    assert "2 cores" in report.markdown(held, ())
    assert "4 cores" in report.markdown(held, ())


def test_the_page_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("above\n" + pages.begin(report.COMMAND) + "old\n" + pages.END + "below\n")
    held = report.merged(tmp_path / "performance" / "results.json", "rollup", part(0.4), ABOUT)
    report.write(held, ("rollup",), page)
    text = page.read_text()
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "old" not in text
    for name in ("bars", "lines"):
        assert f"(performance/{name}.svg)" in text
        assert "<svg" in (tmp_path / "performance" / f"{name}.svg").read_text()
        assert "<script" not in (tmp_path / "performance" / f"{name}.svg").read_text()
    page.write_text("no marks\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        report.write(held, ("rollup",), page)


def test_the_page_has_its_marks() -> None:
    assert pages.begin(report.COMMAND) in report.PAGE.read_text()


@pytest.mark.parametrize(
    ("seconds", "told"), [(2.5, "2.50 s"), (0.0285, "28.5 ms"), (123e-6, "123 µs"), (1e-7, "0.10 µs")]
)
def test_seconds_are_told_in_three_digits(seconds: float, told: str) -> None:
    assert seconds_of(seconds) == told


# -- the command ---------------------------------------------------------------------------------------------------


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(make_log.__file__).with_name("run.py")), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)


def test_parts_run_alone_and_add_up(tmp_path: Path) -> None:
    servers.require("memcached")
    results = tmp_path / "results.json"
    sizes = ["--lines", "2000", "--rounds", "1", "--samples", "2", "--json", str(results)]
    first = bench("pipe", *sizes)
    assert (first.returncode, first.stderr) == (0, "pipe …\n")
    assert "| one incr a line, memcached |" in first.stdout
    second = bench("reads", *sizes)
    assert (second.returncode, second.stderr) == (0, "reads …\n")
    assert "| one incr a line, memcached |" in second.stdout
    assert "| `hits_today`, memcached |" in second.stdout
    third = bench("commits", *sizes)
    assert (third.returncode, third.stderr) == (0, "commits …\n")
    assert list(json.loads(results.read_text())) == ["pipe", "reads", "commits"]


def test_what_is_no_part_is_said() -> None:
    done = bench("rolup")
    assert done.returncode == 2
    assert "no such part: rolup; there are rollup, pipe" in done.stderr


def test_sizes() -> None:
    assert QUICK.lines < FULL.lines == 1_000_000
    assert FULL.pages[-1] == FULL.growth[-1] == 10_000_000
    assert all(find_spec(name) for name in run.PARTS)
