"""Folders of one data directory's embedded servers, and the operating-system user that runs them."""

import contextlib
import errno
import hashlib
import os
import pwd
import re
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ServerUnavailable

FALLBACK_ROOT = Path("/var/lib/almanac")
# The kernel's limit for the path of a Unix socket is 107 bytes on Linux and 103 on macOS.
MAX_SOCKET_PATH_BYTES = 103
SAFE_PATH_PATTERN = re.compile(r"[A-Za-z0-9_./+~-]+")
PREFERRED_USERS = ("postgres", "nobody")


@dataclass(frozen=True)
class ServerUser:
    """The user that the servers run as."""

    uid: int
    gid: int
    is_other_user: bool  # than this process's; only where this process is root, which Postgres refuses

    def subprocess_arguments(self) -> dict[str, Any]:
        """Return the arguments with which `subprocess` runs a command as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other_user else {}

    def can_enter(self, folder: Path) -> bool:
        """Return whether this user can enter *folder*. Tries it, because modes do not show access control lists."""
        if not self.is_other_user:
            return True
        enter = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        return (
            subprocess.run(
                enter, check=False, stderr=subprocess.DEVNULL, cwd="/", **self.subprocess_arguments()
            ).returncode
            == 0
        )

    def owns_privately(self, folder: Path) -> bool:
        """Return whether *folder* is a folder of this user that no other user can enter, and not a link."""
        try:
            found = folder.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == self.uid and not found.st_mode & 0o077

    def make_private_folder(self, folder: Path) -> None:
        """Create *folder* with mode 700. Raises ServerUnavailable if it exists and is not private to this user."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if self.owns_privately(folder):
                return
            raise ServerUnavailable(f"{folder} exists and is not a private folder of user {self.uid}") from None
        if self.is_other_user:
            os.chown(folder, self.uid, self.gid)


@dataclass(frozen=True)
class ServerFolders:
    """Folders of one data directory's servers."""

    files: Path  # locks, logs and error messages: always in the data directory
    root: Path  # cluster, binaries and sockets: in `files`, unless the servers' user cannot enter it
    sockets: Path
    user: ServerUser

    @property
    def is_elsewhere(self) -> bool:
        """Whether the data lies outside the data directory, because the servers' user cannot enter that."""
        return self.root != self.files

    @property
    def cluster(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    def log(self, name: str) -> Path:
        return self.files / f"{name}.log"

    def running(self, name: str) -> Path:
        """Return the file that exists while the supervisor runs that server."""
        return self.files / f"{name}.running"

    def failure_file(self, name: str) -> Path:
        """Return the file with the error message of a server that cannot be started."""
        return self.files / f"{name}.failed"


def find_server_folders(data_dir: Path) -> ServerFolders:
    """Return the folders for *data_dir*. Creates them, but never changes the mode of an existing one."""
    data_dir = data_dir.expanduser().resolve()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    _make_traversable(data_dir)
    files = data_dir / "servers"
    _make_traversable(files)
    elsewhere = FALLBACK_ROOT / _short_hash(data_dir)
    user = _server_user(files / "postgres", elsewhere / "postgres")
    root = _choose_root(files, elsewhere, user)
    return ServerFolders(files=files, root=root, sockets=_choose_socket_folder(root), user=user)


def existing_data_root(data_dir: Path) -> Path | None:
    """Return the folder that holds the data of *data_dir*'s servers; None before the first start. Creates nothing."""
    data_dir = data_dir.expanduser().resolve()
    for root in (FALLBACK_ROOT / _short_hash(data_dir), data_dir / "servers"):
        if root.exists():
            return root
    return None


def _make_traversable(folder: Path) -> None:
    """Create *folder* with mode 700, or as root 711, so that the servers' user can traverse it.

    It appears with its mode: another process that starts at the same time decides by it where the data lies.
    """
    if folder.exists():
        return
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    if os.geteuid() == 0:
        new.chmod(0o711)
    try:
        new.rename(folder)
    except OSError as error:
        new.rmdir()
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:  # another process was faster
            raise


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _server_user(*clusters: Path) -> ServerUser:
    """Return this process's user; for root, which Postgres refuses, the cluster's owner, `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), is_other_user=False)
    for cluster in clusters:
        if cluster.exists() and cluster.stat().st_uid != 0:
            found = cluster.stat()
            return ServerUser(found.st_uid, found.st_gid, is_other_user=True)
    for name in PREFERRED_USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(user.pw_uid, user.pw_gid, is_other_user=True)
    raise ServerUnavailable("Postgres refuses to run as root, and there is neither a user postgres nor a user nobody")


def _choose_root(files: Path, elsewhere: Path, user: ServerUser) -> Path:
    """Return an existing root first: the modes of parent folders may change between starts, the data must not move."""
    if not user.is_other_user:
        return files
    if not elsewhere.exists():
        # initdb runs programs through a shell, so a copy in a path with a quote would fail.
        if (files / "postgres").exists() or (SAFE_PATH_PATTERN.fullmatch(str(files)) and user.can_enter(files)):
            return files
        FALLBACK_ROOT.parent.mkdir(parents=True, exist_ok=True)
        _make_traversable(FALLBACK_ROOT)
        _make_traversable(elsewhere)
        # Each folder names the other, for people who want to delete both.
        (elsewhere / "data-dir.txt").write_text(f"{files.parent}\n", encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            (files / "elsewhere").symlink_to(elsewhere)
    return elsewhere


def _choose_socket_folder(root: Path) -> Path:
    """Return a folder beside the cluster, or under /tmp where the path is too long or unsafe in a connection string."""
    sockets = root / "run"
    longest = str(sockets / ".s.PGSQL.5432")
    if len(os.fsencode(longest)) <= MAX_SOCKET_PATH_BYTES and SAFE_PATH_PATTERN.fullmatch(longest):
        return sockets
    # Owner and mode are checked before use.
    return Path("/tmp") / f"almanac-{_short_hash(root)}"  # noqa: S108
