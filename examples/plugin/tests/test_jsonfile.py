"""The contract, and what is a JSON file's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pipelog_jsonfile import JSONFileBackend

from pipelog.errors import StoreError
from pipelog.plugins import backend
from pipelog.testing.backends import BackendSuite


class TestJSONFile(BackendSuite):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "counters.json"
        self.now = 1_800_000_000.0

    def let_pass(self, seconds: float) -> None:
        self.now += seconds

    def make_backend(self) -> JSONFileBackend:
        return JSONFileBackend(self.path, clock=lambda: self.now)


def test_found_by_its_scheme(tmp_path: Path) -> None:
    with backend(f"jsonfile://{tmp_path}/c.json") as made:
        assert isinstance(made, JSONFileBackend)
        made.commit({"a": 1}, {}, ttl=60)
    assert json.loads((tmp_path / "c.json").read_text())["counters"]["a"][0] == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"counters": 1, "documents": {}}', "\xff"])
def test_some_other_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(content, encoding="latin-1")
    made = JSONFileBackend(path)
    for call in (lambda: made.counts(["a"]), lambda: made.commit({"a": 1}, {}, ttl=60)):
        with pytest.raises(StoreError, match=r"c\.json: holds no counters"):
            call()
    assert path.read_text(encoding="latin-1") == content


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="folder"):
        JSONFileBackend(tmp_path / "absent" / "c.json").commit({"a": 1}, {}, ttl=60)
