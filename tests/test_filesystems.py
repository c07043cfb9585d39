"""What kind of file system a folder is on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelog.intake.filesystems import is_read_only, network_type


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("ext4", False),
        ("tmpfs", False),
        ("overlay", False),
        ("nfs4", True),
        ("nfs", True),
        ("cifs", True),
        ("9p", True),
    ],
)
def test_the_mount_of_the_folder_tells(tmp_path: Path, kind: str, network: bool) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 999:1 / /elsewhere rw - nfs4 server:/export rw\n"
        f"36 35 {os.major(device)}:{os.minor(device)} / {tmp_path} rw,noatime shared:1 master:2 - {kind} source rw\n"
    )
    assert network_type(tmp_path, mounts) == (kind if network else "")


def test_of_what_is_not_there_nothing_is_told(tmp_path: Path) -> None:
    assert network_type(tmp_path / "none") == ""
    assert network_type(tmp_path, tmp_path / "no-mountinfo") == ""
    assert not is_read_only(tmp_path / "none")


def test_this_machine(tmp_path: Path) -> None:
    assert network_type(tmp_path) == ""
    assert not is_read_only(tmp_path)
    if Path("/proc/sys").exists() and os.statvfs("/proc/sys").f_flag & os.ST_RDONLY:
        assert is_read_only(Path("/proc/sys"))
