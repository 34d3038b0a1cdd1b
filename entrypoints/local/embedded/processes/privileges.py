"""Running PostgreSQL for root, which it refuses: as another user inside a namespace, or as `nobody`.

Standard library only: the guard process, which has to start fast, imports this.
"""

import ctypes
import functools
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Literal

from domain.errors import StartupError

Identity = Literal["same", "namespace", "nobody"]
"""Who a server runs as: we ourselves; us, under another number, in a user namespace; the user `nobody`."""

CLONE_NEWUSER = 0x10000000


def assume(identity: Identity) -> None:
    """Become `identity`. Only for a process that is about to exec. Raises OSError."""
    if identity == "namespace":
        _enter_user_namespace()
    elif identity == "nobody":
        entry = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


@functools.cache
def identity_for_postgres() -> Identity:
    """Returns the identity under which PostgreSQL can run. Raises StartupError if there is none."""
    if os.geteuid() != 0:
        return "same"
    for identity in ("namespace", "nobody"):
        if _possible(identity):
            return identity
    raise StartupError(
        "PostgreSQL does not run as root, and neither user namespaces nor a change of user are allowed here: "
        "start opledger as another user, or set DATABASE_URL"
    )


def our_users() -> set[int]:
    """The user ids whose files are ours: root may have handed some over."""
    return {os.geteuid()} if os.geteuid() else {0, _nobody()}


def hand_over(folder: Path, identity: Identity) -> None:
    """Let `identity` use `folder`; no parent folder is opened for it. Raises StartupError."""
    if identity != "nobody":
        return
    for parent in folder.parents:
        status = parent.stat()
        if not status.st_mode & (0o100 if status.st_uid == _nobody() else 0o001):
            raise StartupError(
                f"PostgreSQL has to run as the user nobody here, who cannot enter {parent}: "
                "choose another data folder with --data-dir, or set DATABASE_URL"
            )
    os.chown(folder, _nobody(), -1)


def _nobody() -> int:
    return pwd.getpwnam("nobody").pw_uid


def _possible(identity: Identity) -> bool:
    """Whether a throw-away process of ours can assume `identity`."""
    root = str(Path(__file__).parents[4])
    code = f"import sys; sys.path.append(sys.argv[1]); from {__name__} import assume; assume(sys.argv[2])"
    probe = [sys.executable, "-I", "-S", "-c", code, root, identity]
    return subprocess.run(probe, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def _enter_user_namespace() -> None:
    """Appear as an ordinary user to this process and its children; to all others nothing has changed."""
    uid, gid = os.geteuid(), os.getegid()
    # initdb looks its user up, so the number inside has to be one that the system knows.
    inside = min((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid), default=1000)
    if sys.platform != "linux":
        raise OSError("user namespaces are Linux's")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):  # os.unshare came with Python 3.12
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/uid_map").write_text(f"{inside} {uid} 1")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{inside} {gid} 1")
