"""Rights of the user who started the logger (root, as httpd does), given up for those of another."""

from __future__ import annotations

import os

from pipelog.errors import IntakeError


def identity(user: str, group: str) -> tuple[int, int] | None:
    """uid and gid of a user and a group, by name or number; None where neither is given. Raises `IntakeError`."""
    if not user and not group:
        return None
    import grp
    import pwd

    try:
        account = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user) if user else None
        uid = account.pw_uid if account else os.getuid()
        gid = account.pw_gid if account else os.getgid()
        if group:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise IntakeError(f"there is no such user or group: {error.args[0]}") from error
    return uid, gid


def become(uid: int, gid: int) -> None:
    """Be this user for good, without supplementary groups, and make sure of it. Raises `IntakeError`."""
    if (os.getuid(), os.getgid()) == (uid, gid):
        return
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError as error:
        raise IntakeError(f"only root can become user {uid}; leave --user and --group out") from error
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or os.getgroups() not in ([], [gid]):
        raise IntakeError(f"the rights of the user who started this could not be given up for user {uid}")
