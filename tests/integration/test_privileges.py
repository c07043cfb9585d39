"""Started as root, as httpd starts its loggers: the rights are given up before anything is read or made."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from intake_helpers import line

from pipelog.testing import servers
from pipelog.testing.servers import eventually

USER = "nobody"


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that any user may enter, with a copy of the package in it."""
    if os.geteuid():
        servers.missing("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="pipelog-"))
    folder.chmod(0o755)
    shutil.copytree(Path(__file__).parents[2] / "pipelog", folder / "pipelog")
    yield folder
    shutil.rmtree(folder)


def python() -> str:
    """An interpreter that another user may run; the one of this environment may lie in root's home."""
    code = "import sys, sqlite3; assert sys.version_info >= (3, 11)"
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run([candidate, "-c", code], user=USER, cwd="/", capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    servers.missing(f"no Python 3.11 that {USER} may run")


def ids(pid: int) -> dict[str, list[int]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(entry.split(":", 1) for entry in lines)
    return {name: [int(number) for number in fields[name].split()] for name in ("Uid", "Gid", "Groups")}


def test_user_and_group_are_taken_before_the_first_line(public: Path) -> None:
    state = public / "state"
    account = pwd.getpwnam(USER)
    command = [python(), "-m", "pipelog", "--state", str(state), "--user", USER, "--flush", "0.1"]
    environment = {"PYTHONPATH": str(public), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/", umask=0o022
    )
    assert process.stdin
    process.stdin.write(line("/a/", time.time()))
    process.stdin.flush()
    eventually(lambda: (state / "status.json").exists(), "the line is counted")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        found = ids(pid)
        assert found["Uid"] == [account.pw_uid] * 4
        assert found["Gid"] == [account.pw_gid] * 4
        assert set(found["Groups"]) <= {account.pw_gid}
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"")
    for path in [state, *state.rglob("*")]:
        info = path.stat()
        assert (info.st_uid, info.st_gid) == (account.pw_uid, account.pw_gid), path
        assert stat.S_IMODE(info.st_mode) & ~(0o750 if path.is_dir() else 0o640) == 0, path


def test_a_user_that_there_is_not_is_said(public: Path) -> None:
    command = [sys.executable, "-m", "pipelog", "--state", str(public / "state"), "--user", "no-such-user"]
    done = subprocess.run(command, input=line("/a/"), capture_output=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["pipelog: there is no such user or group: no-such-user"] or (
        b"no-such-user" in done.stderr and done.stderr.count(b"\n") == 1
    )
    assert not (public / "state").exists()


def test_only_root_can_become_another_user(public: Path) -> None:
    state = public / "state"
    state.mkdir()
    os.chown(state, pwd.getpwnam(USER).pw_uid, -1)
    done = subprocess.run(
        [python(), "-m", "pipelog", "--state", str(state), "--user", "root"],
        input=line("/a/"),
        capture_output=True,
        env={"PYTHONPATH": str(public), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        user=USER,
        timeout=20,
    )
    assert done.returncode == 1
    (said,) = done.stderr.decode().splitlines()
    assert "only root can become user 0; leave --user and --group out" in said
    assert not list(state.iterdir())
