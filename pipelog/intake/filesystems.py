"""What kind of file system a folder is on, as Linux tells it."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs", "fuse.rclone")


def network_type(folder: Path, mounts: Path = MOUNTS) -> str:
    """Type of a network file system ("nfs4") that a folder is on; "" where it is a local one, or nobody can tell.

    There, locks are the server's, and a line may stand in a cache when the host goes down.
    """
    try:
        device = os.stat(folder).st_dev
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    # proc(5): ID, parent, major:minor, root, mount point, options, optional fields up to " - ", type, …
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        begin, _, end = line.partition(" - ")
        if begin.split(" ", 3)[2] == number:
            kind = end.split(" ", 1)[0]
            return kind if kind.startswith(_NETWORK) else ""
    return ""


def is_read_only(folder: Path) -> bool:
    """Whether the file system that a folder is on is mounted read-only."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False
