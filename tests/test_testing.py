"""The suite finds what is wrong with a backend, and a missing server is never passed over in CI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelog.testing.servers import eventually, memcached, require

#: Backends with one fault each, and a test that has to find it.
FAULTS = {
    "forgets_to_add": "def commit(self, c, d, *, ttl): self._counts.clear(); super().commit(c, d, ttl=ttl)",
    "below_zero": """
    def counts(self, keys): return {k: n or -1 for k, n in super().counts(keys).items()}""",
    "absent_is_zero": "def counts(self, keys): return dict.fromkeys(keys, 0) | super().counts(keys)",
    "folds_case": """
    def commit(self, c, d, *, ttl): super().commit({k.lower(): n for k, n in c.items()}, d, ttl=ttl)
    def counts(self, keys): return {k: self._counts[k.lower()] for k in keys if k.lower() in self._counts}""",
    "cuts_keys": """
    def commit(self, c, d, *, ttl): super().commit({k[:240]: n for k, n in c.items()}, d, ttl=ttl)
    def counts(self, keys): return {k: self._counts[k[:240]] for k in keys if k[:240] in self._counts}""",
    "strips_documents": """
    def documents(self, keys): return {k: d.strip() for k, d in super().documents(keys).items()}""",
    "no_empty_documents": "def documents(self, keys): return {k: d for k, d in super().documents(keys).items() if d}",
    "keeps_first_document": """
    def commit(self, c, d, *, ttl):
        super().commit(c, {k: v for k, v in d.items() if k not in self._documents}, ttl=ttl)""",
    "renews_time_to_live": """
    def commit(self, c, d, *, ttl):
        super().commit(c, d, ttl=ttl)
        self._expires.update((k, self._clock() + ttl) for k in c)""",
    "never_expires": "def commit(self, c, d, *, ttl): super().commit(c, d, ttl=10**9)",
    "thirty_days_at_most": "def commit(self, c, d, *, ttl): super().commit(c, d, ttl=ttl if ttl < 2592000 else -1)",
    "torn": """
    def commit(self, c, d, *, ttl):
        for k in c: super().commit({k: c[k]}, {}, ttl=ttl)
        super().commit({}, d, ttl=ttl)""",
    "closes_for_good": "def close(self): self.counts = None",
    "wraps": "def counts(self, keys): return {k: n if n < 2**63 - 1 else 0 for k, n in super().counts(keys).items()}",
    "scan_by_pattern": """
    def scan(self, prefix):
        import fnmatch
        return iter([(k, n) for k, n in self._counts.items() if fnmatch.fnmatchcase(k, prefix + "*")])""",
    "forgets_no_documents": """
    def forget(self, prefix): self._remove([k for k in self._counts if k.startswith(prefix)], [])""",
    "forgets_too_much": "def forget(self, prefix): super().forget(prefix.rstrip('|'))",
}

HEAD = """
from pipelog.backends.memory import MemoryBackend
from pipelog.testing.backends import BackendSuite

class Timed(BackendSuite):
    shared = False
    now = 0.0
    def let_pass(self, seconds): self.now += seconds
    def make_backend(self): return self.kind(clock=lambda: self.now)
"""


def test_the_suite_finds_every_fault(tmp_path: Path) -> None:
    code = HEAD + "".join(
        f"\nclass {name}(MemoryBackend):\n    {fault.strip()}\nclass Test_{name}(Timed): kind = {name}\n"
        for name, fault in FAULTS.items()
    )
    (tmp_path / "test_faults.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "test_faults.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = set(re.findall(r"^FAILED test_faults\.py::Test_(\w+)::", done.stdout, re.MULTILINE))
    assert found == set(FAULTS)


def test_a_missing_program_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        require("no-such-server")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed, and CI=true"):
        require("no-such-server")
    assert Path(require("sh")).is_absolute()


def test_eventually() -> None:
    answers = iter([0, "", None, "yes"])
    eventually(lambda: next(answers), "never")
    with pytest.raises(pytest.fail.Exception, match=r"not within 0\.05 seconds: it was ready"):
        eventually(lambda: False, "it was ready", within=0.05)


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(pytest.fail.Exception, match=r"memcached did not start: .*memory"),
        memcached(arguments=["-m", "1"]),
    ):
        pass


def test_servers_end_with_their_block() -> None:
    with memcached() as server:
        assert server.ask(b"version").startswith(b"VERSION ")
        server.pause()
    assert server.process.returncode is not None
    with pytest.raises(OSError, match="refused"):
        server.ask(b"version")
