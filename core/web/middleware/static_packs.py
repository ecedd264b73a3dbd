"""A pack: the files of a folder, compressed once, all in one checked file.

`python -m core.web.middleware.static_packs FOLDER EFFORT PARENT` writes one to standard output and stops with PARENT.
"""

import gzip
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

MAGIC = b"almanac-pack-1\n"
DIGEST_BYTES = 32
LENGTH_BYTES = 8
BEST_EFFORT = "best"
EFFORTS: Mapping[str, tuple[int, int, int]] = {"quick": (5, 6, 5), BEST_EFFORT: (11, 9, 19)}
"""Quality of brotli, level of gzip, niceness: for Streamlit's files a second, or half a minute and 10 % fewer bytes."""
PARENT_CHECK_SECONDS = 0.5
MAX_COMPRESSED_RATIO = 0.9
"""What does not become smaller than this share is sent as it is."""
MEDIA_TYPES: Mapping[str, str] = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".wasm": "application/wasm",
}
ENCODINGS = ("br", "gzip")


class CorruptPack(Exception):
    """A pack that is not whole."""


@dataclass(frozen=True)
class CompressedFile:
    """One file: its media type, a digest of what it holds, and its bodies by content coding."""

    media_type: str
    digest: str
    bodies: Mapping[str, bytes]


def compressible_files(folder: Path) -> list[Path]:
    """The files that may be worth compressing, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES and path.is_file())


def folder_fingerprint(folder: Path) -> str:
    """A name for what *folder* holds: its files bear the hash of their contents in their names."""
    told = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in compressible_files(folder)]
    return blake2b(repr((MAGIC, EFFORTS, told)).encode(), digest_size=12).hexdigest()


def build_pack(folder: Path, effort: str) -> bytes:
    """Compress what is worth it, and write it as a pack."""
    header: dict[str, object] = {}
    bodies: list[bytes] = []
    at = 0
    for path in compressible_files(folder):
        plain = path.read_bytes()
        places: dict[str, tuple[int, int]] = {}
        for encoding, body in compressed_bodies(plain, effort).items():
            places[encoding] = (at, len(body))
            bodies.append(body)
            at += len(body)
        if places:
            told = {"type": MEDIA_TYPES[path.suffix], "digest": blake2b(plain, digest_size=12).hexdigest()}
            header[path.relative_to(folder).as_posix()] = {**told, **places}
    return assemble_pack(json.dumps(header).encode(), b"".join(bodies))


def compressed_bodies(plain: bytes, effort: str) -> dict[str, bytes]:
    """The bodies by content coding, as far as they are worth it."""
    import brotli  # type: ignore[import-untyped]  # noqa: PLC0415 - only who builds needs it

    quality, level, _ = EFFORTS[effort]
    bodies = {"br": brotli.compress(plain, quality=quality), "gzip": gzip.compress(plain, level, mtime=0)}
    return {encoding: body for encoding, body in bodies.items() if len(body) < len(plain) * MAX_COMPRESSED_RATIO}


def assemble_pack(header: bytes, bodies: bytes) -> bytes:
    content = len(header).to_bytes(LENGTH_BYTES, "big") + header + bodies
    return MAGIC + blake2b(content, digest_size=DIGEST_BYTES).digest() + content


def read_pack(pack: bytes) -> dict[str, CompressedFile]:
    """The files of *pack* by their path in the folder. Raises Damaged when a single byte is not as it was written."""
    start = len(MAGIC) + DIGEST_BYTES
    content = memoryview(pack)[start:]
    if pack[: len(MAGIC)] != MAGIC or blake2b(content, digest_size=DIGEST_BYTES).digest() != pack[len(MAGIC) : start]:
        raise CorruptPack
    body_at = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "big")
    header = json.loads(bytes(content[LENGTH_BYTES:body_at]))
    bodies = content[body_at:]
    return {
        name: CompressedFile(
            entry["type"],
            entry["digest"],
            {
                encoding: bytes(bodies[entry[encoding][0] : sum(entry[encoding])])
                for encoding in ENCODINGS
                if encoding in entry
            },
        )
        for name, entry in header.items()
    }


def main(folder: Path, effort: str, parent: int) -> None:
    """Build with what others leave of the processor."""
    os.nice(EFFORTS[effort][-1])
    threading.Thread(target=exit_with_parent, args=(parent,), daemon=True).start()
    sys.stdout.buffer.write(build_pack(folder, effort))


def exit_with_parent(parent: int) -> None:
    """Nobody waits for a pack whose process is gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
