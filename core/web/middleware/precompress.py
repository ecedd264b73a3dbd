"""Precompressed static files: `FILE.br` and `FILE.gz` in one folder, with a manifest of their digests.

`python -m core.web.middleware.precompress FOLDER` compresses Streamlit's FOLDER into PREBUILT_FOLDER, once at set-up.
With `--to DESTINATION --effort EFFORT --parent PID` it compresses into DESTINATION and exits when PID does.
"""

import argparse
import gzip
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

PREBUILT_FOLDER = Path(sys.prefix) / "share" / "almanac" / "static"
"""Beside the installed packages: filled by `make setup` and by the image, so that no start has to compress."""
MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
BEST_EFFORT = "best"
EFFORTS: Mapping[str, tuple[int, int, int]] = {"quick": (5, 6, 5), BEST_EFFORT: (11, 9, 19)}
"""Brotli quality, gzip level, niceness: one second for Streamlit's files, or half a minute and 10 % fewer bytes."""
PARENT_CHECK_SECONDS = 0.5
MAX_COMPRESSED_RATIO = 0.9
"""A file that does not shrink below this share is sent uncompressed."""
MEDIA_TYPES: Mapping[str, str] = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".wasm": "application/wasm",
}
COMPILE_HINT = b"//# allFunctionsCalledOnLoad\n"
"""First line of a script by which Chromium compiles all its functions in the background, while it is being fetched.
Otherwise each is parsed again as it is called. See https://v8.dev/blog/explicit-compile-hints."""
HINTED_SCRIPTS = ("PlotlyChart.",)
"""How the names begin of scripts that call most of their functions as they start."""
SUFFIXES: Mapping[str, str] = {"br": ".br", "gzip": ".gz"}
"""File suffix by content coding."""


class CorruptFiles(Exception):
    """A folder of precompressed files whose contents differ from its manifest."""


@dataclass(frozen=True)
class CompressedFile:
    """One file: its media type, a digest of the uncompressed contents, and its bodies by content coding."""

    media_type: str
    digest: str
    bodies: Mapping[str, bytes]


def compressible_files(folder: Path) -> list[Path]:
    """Return the files of *folder* with a compressible type, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES and path.is_file())


def folder_fingerprint(folder: Path) -> str:
    """Return a digest of names and sizes: Streamlit's files have a hash of their contents in their names."""
    files = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in compressible_files(folder)]
    made_by = (MANIFEST_VERSION, EFFORTS, COMPILE_HINT, HINTED_SCRIPTS)
    return blake2b(repr((*made_by, files)).encode(), digest_size=12).hexdigest()


def compress_folder(folder: Path, destination: Path, effort: str) -> None:
    """Write the compressed files of *folder* and their manifest into *destination*, a new folder."""
    manifest: dict[str, dict[str, str]] = {}
    destination.mkdir(parents=True)
    for path in compressible_files(folder):
        plain = with_compile_hint(path)
        name = path.relative_to(folder).as_posix()
        bodies = compressed_bodies(plain, effort)
        for encoding, body in bodies.items():
            file = destination / f"{name}{SUFFIXES[encoding]}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        if bodies:
            manifest[name] = {
                "digest": _digest(plain),
                **{encoding: _digest(body) for encoding, body in bodies.items()},
            }
    (destination / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def with_compile_hint(path: Path) -> bytes:
    """Return the file's contents, after COMPILE_HINT if it is one of HINTED_SCRIPTS."""
    contents = path.read_bytes()
    return COMPILE_HINT + contents if path.name.startswith(HINTED_SCRIPTS) else contents


def compressed_bodies(plain: bytes, effort: str) -> dict[str, bytes]:
    """Return the bodies by content coding that are small enough to be worth sending."""
    import brotli  # type: ignore[import-untyped]  # noqa: PLC0415 - only needed to compress

    quality, level, _ = EFFORTS[effort]
    bodies = {"br": brotli.compress(plain, quality=quality), "gzip": gzip.compress(plain, level, mtime=0)}
    return {encoding: body for encoding, body in bodies.items() if len(body) < len(plain) * MAX_COMPRESSED_RATIO}


def load_files(compressed: Path) -> dict[str, CompressedFile]:
    """Read precompressed files into memory, by their path in the original folder.

    Raises CorruptFiles when a digest differs from the manifest's, OSError when a file is missing.
    """
    try:
        manifest = json.loads((compressed / MANIFEST).read_text(encoding="utf-8"))
        return {name: _load_file(compressed, name, digests) for name, digests in manifest.items()}
    except (ValueError, AttributeError, KeyError) as error:
        raise CorruptFiles(f"{compressed / MANIFEST} is no manifest") from error


def save_files(compressed: Path, destination: Path) -> None:
    """Copy a folder of precompressed files to *destination*, all or nothing; remove those of other versions."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f".{uuid4().hex}")
    try:
        shutil.copytree(compressed, temporary)
        shutil.rmtree(destination, ignore_errors=True)
        temporary.rename(destination)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for manifest in destination.parent.glob(f"*/{MANIFEST}"):
        if manifest.parent != destination and not manifest.parent.name.startswith("."):
            shutil.rmtree(manifest.parent, ignore_errors=True)


def _load_file(compressed: Path, name: str, digests: Mapping[str, str]) -> CompressedFile:
    bodies = {}
    for encoding, suffix in SUFFIXES.items():
        if encoding in digests:
            body = (compressed / f"{name}{suffix}").read_bytes()
            if _digest(body) != digests[encoding]:
                raise CorruptFiles(f"{compressed / name}{suffix} differs from the manifest")
            bodies[encoding] = body
    return CompressedFile(MEDIA_TYPES[Path(name).suffix], digests["digest"], bodies)


def _digest(body: bytes) -> str:
    return blake2b(body, digest_size=12).hexdigest()


def prebuild(folder: Path) -> None:
    """Compress *folder* into PREBUILT_FOLDER with the best effort, unless that was done before."""
    destination = PREBUILT_FOLDER / folder_fingerprint(folder)
    try:
        load_files(destination)
    except (OSError, CorruptFiles):
        with TemporaryDirectory() as temporary:
            compress_folder(folder, Path(temporary) / "files", BEST_EFFORT)
            save_files(Path(temporary) / "files", destination)


def exit_with_parent(parent: int) -> None:
    """Exit once the process that started this one has ended: the result is not needed any more."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compress the static files of a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", type=Path, help="new folder for the compressed files; default: beside the packages")
    parser.add_argument("--effort", choices=EFFORTS, default=BEST_EFFORT)
    parser.add_argument("--parent", type=int, help="exit when this process does")
    options = parser.parse_args()
    if options.parent:
        threading.Thread(target=exit_with_parent, args=(options.parent,), daemon=True).start()
    if options.to is None:
        prebuild(options.folder)
        return
    os.nice(EFFORTS[options.effort][-1])
    compress_folder(options.folder, options.to, options.effort)


if __name__ == "__main__":
    main()
