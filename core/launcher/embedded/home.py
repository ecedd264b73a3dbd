"""Where the embedded servers of one data directory live, and which user they run as."""

import contextlib
import hashlib
import os
import pwd
import re
import stat
import subprocess
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
    another: bool  # than this process's own: only root can, and must, have it so

    def subprocess_arguments(self) -> dict[str, Any]:
        """Arguments that make `subprocess` run something as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.another else {}

    def can_enter(self, folder: Path) -> bool:
        """Ask the kernel, since modes alone do not tell about access lists."""
        if not self.another:
            return True
        enter = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        return (
            subprocess.run(
                enter, check=False, stderr=subprocess.DEVNULL, cwd="/", **self.subprocess_arguments()
            ).returncode
            == 0
        )

    def owns_privately(self, folder: Path) -> bool:
        """Tell whether *folder* is a real folder that nobody else can enter."""
        try:
            found = folder.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == self.uid and not found.st_mode & 0o077

    def make_private_folder(self, folder: Path) -> None:
        """Create *folder* for this user alone, or refuse one that is somebody else's."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if self.owns_privately(folder):
                return
            raise ServerUnavailable(f"{folder} exists, and is not a private folder of user {self.uid}") from None
        if self.another:
            os.chown(folder, self.uid, self.gid)


@dataclass(frozen=True)
class ServerFolders:
    """The folders of one data directory's servers."""

    files: Path  # locks, logs and the reasons of failures: always in the data directory
    root: Path  # cluster, binaries and sockets: there too, unless their user cannot go there
    sockets: Path
    owner: ServerUser

    @property
    def cluster(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    def log(self, name: str) -> Path:
        return self.files / f"{name}.log"

    def running(self, name: str) -> Path:
        """Is there while the supervisor looks after that server."""
        return self.files / f"{name}.running"

    def failure_file(self, name: str) -> Path:
        """Holds the reason, while a server cannot be started."""
        return self.files / f"{name}.failed"


def find_server_folders(data_dir: Path) -> ServerFolders:
    """Say where the servers of *data_dir* live, creating folders but never changing the mode of one that was there."""
    data_dir = data_dir.expanduser().resolve()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    _make_traversable(data_dir)
    files = data_dir / "servers"
    _make_traversable(files)
    elsewhere = FALLBACK_ROOT / _short_hash(data_dir)
    owner = _server_user(files / "postgres", elsewhere / "postgres")
    root = _choose_root(files, elsewhere, owner)
    return ServerFolders(files=files, root=root, sockets=_choose_socket_folder(root), owner=owner)


def _make_traversable(folder: Path) -> None:
    """Create *folder* private to its user, or, as root, so that the servers' user can pass through it."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    if os.geteuid() == 0:
        folder.chmod(0o711)


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _server_user(*clusters: Path) -> ServerUser:
    """Postgres refuses root, so root runs it as whoever owns the cluster, else as `postgres`, else as `nobody`."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), another=False)
    for cluster in clusters:
        if cluster.exists() and cluster.stat().st_uid != 0:
            found = cluster.stat()
            return ServerUser(found.st_uid, found.st_gid, another=True)
    for name in PREFERRED_USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(user.pw_uid, user.pw_gid, another=True)
    raise ServerUnavailable("Postgres refuses to run as root, and there is neither a user postgres nor a user nobody")


def _choose_root(files: Path, elsewhere: Path, owner: ServerUser) -> Path:
    """What is there already wins: the modes of parents may change between two starts, the data must not move."""
    if not owner.another:
        return files
    if not elsewhere.exists():
        # Programs copied to a path with a quote in it could not find each other: initdb goes through a shell.
        if (files / "postgres").exists() or (SAFE_PATH_PATTERN.fullmatch(str(files)) and owner.can_enter(files)):
            return files
        FALLBACK_ROOT.parent.mkdir(parents=True, exist_ok=True)
        _make_traversable(FALLBACK_ROOT)
        _make_traversable(elsewhere)
        # Each says where the other is: whoever deletes one may want to delete both.
        (elsewhere / "data-dir.txt").write_text(f"{files.parent}\n", encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            (files / "elsewhere").symlink_to(elsewhere)
    return elsewhere


def _choose_socket_folder(root: Path) -> Path:
    """Beside the cluster where that works: a comma would separate two hosts in a connection string."""
    sockets = root / "run"
    longest = str(sockets / ".s.PGSQL.5432")
    if len(os.fsencode(longest)) <= MAX_SOCKET_PATH_BYTES and SAFE_PATH_PATTERN.fullmatch(longest):
        return sockets
    # Owner and mode are checked before anything is put or found there.
    return Path("/tmp") / f"almanac-{_short_hash(root)}"  # noqa: S108
