"""Streamlit's own files, sent compressed: it sends 2.7 MB for an empty page, and this less than half.

`python -m core.web.middleware.static_compression FOLDER` makes the pack of Streamlit's FOLDER beforehand, for an
image: see SHIPPED.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.middleware import static_packs
from core.web.middleware.static_packs import CompressedFile

PREFIX = "/static/"
A_YEAR = 365 * 24 * 3600
# Who waits for `/health` gets the processor first.
START_DELAY_SECONDS = 0.5
# The best takes half a minute of a processor: not while everything else starts, and not for a process that soon ends.
BUILD_PAUSE_SECONDS = 60
BUILD_TIMEOUT_SECONDS = 600
PREBUILT_FOLDER = Path(__file__).parents[3] / ".packs"
"""Where an image brings its pack along, so that no container has to make one at its start."""

Files = Mapping[str, CompressedFile]
log = structlog.get_logger()


class StaticCompression:
    """Answer `/static/…` from a pack, to who takes brotli or gzip; all else goes on to Streamlit.

    The pack is read, or built by a process of its own, beside everything else: first a quick one, then the best that
    can be had, which is kept. Until there is one, files go out as they are.
    """

    def __init__(
        self,
        app: ASGIApp,
        folder: Path,
        keep_in: Path,
        head_start: float = START_DELAY_SECONDS,
        rest: float = BUILD_PAUSE_SECONDS,
    ) -> None:
        self.app = app
        self.folder = folder
        self.cache_folder = keep_in
        self.start_delay = head_start
        self.rest = rest
        self.files: Files = {}
        self._loader: threading.Thread | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._loader is None:
            self._loader = threading.Thread(target=self._prepare, name="compression", daemon=True)
            self._loader.start()
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        found = self.files.get(scope["path"])
        encoding = None
        # A part of a file is a part of the plain one.
        if found and scope["method"] in {"GET", "HEAD"} and "range" not in headers:
            encoding = negotiate_encoding(", ".join(headers.getlist("accept-encoding")), tuple(found.bodies))
        if found and encoding:
            await send_compressed(found, encoding, headers, scope["method"], send)
        else:
            await self.app(scope, receive, with_vary_header(send))

    def _prepare(self) -> None:
        time.sleep(self.start_delay)
        try:
            for files in load_or_build_packs(self.folder, self.cache_folder):
                self.files = {f"{PREFIX}{name}": packed for name, packed in files.items()}
                time.sleep(self.rest)
        except (OSError, subprocess.SubprocessError, static_packs.CorruptPack) as error:
            log.warning("static files could not be compressed", error=str(error))


async def send_compressed(found: CompressedFile, encoding: str, asked: Headers, method: str, send: Send) -> None:
    etag = f'"{found.digest}-{encoding}"'
    headers = MutableHeaders(
        {
            "etag": etag,
            "cache-control": f"public, immutable, max-age={A_YEAR}",
            "vary": "Accept-Encoding",
        }
    )
    known = [tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")]
    body = b""
    status = 304
    if etag not in known and known != ["*"]:
        status = 200
        body = found.bodies[encoding]
        headers.update(
            {"content-type": found.media_type, "content-encoding": encoding, "content-length": str(len(body))}
        )
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body if method == "GET" else b""})


def with_vary_header(send: Send) -> Send:
    """Tell caches between us and the reader that another reader may get the same file compressed."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            add_vary_header(MutableHeaders(scope=message))
        await send(message)

    return telling


def add_vary_header(headers: MutableHeaders) -> None:
    if "accept-encoding" not in headers.get("vary", "").lower():
        headers.add_vary_header("Accept-Encoding")


def negotiate_encoding(accepted: str, offered: tuple[str, ...]) -> str | None:
    """The coding of *offered* that an Accept-Encoding header likes best; None when the plain file will do."""
    weights = dict(parse_encoding_weight(part) for part in accepted.split(",") if part.strip())
    anything = weights.get("*", 0.0)
    liked = max(offered, key=lambda one: (weights.get(one, anything), -offered.index(one)), default=None)
    if liked is None or not weights.get(liked, anything) or weights.get(liked, anything) < weights.get("identity", 0):
        return None
    return liked


def parse_encoding_weight(part: str) -> tuple[str, float]:
    """Read `gzip;q=0.5`; what cannot be read is not wanted."""
    name, _, parameter = part.partition(";")
    key, _, value = parameter.partition("=")
    if not key.strip():
        return name.strip().lower(), 1.0
    try:
        q = float(value) if key.strip().lower() == "q" else 0.0
    except ValueError:
        q = 0.0
    return name.strip().lower(), q if 0 <= q <= 1 else 0.0


def load_or_build_packs(folder: Path, keep_in: Path) -> Iterator[Files]:
    """Yield the files of *folder* from the pack that was kept, or else from new ones, each better than the last."""
    name = f"{static_packs.folder_fingerprint(folder)}.pack"
    kept = keep_in / "static" / name
    for pack in (kept, PREBUILT_FOLDER / "static" / name):
        with suppress(OSError, static_packs.CorruptPack):
            yield static_packs.read_pack(pack.read_bytes())
            return
    for effort in static_packs.EFFORTS:
        started = time.perf_counter()
        body = build_in_subprocess(folder, effort)
        files = static_packs.read_pack(body)
        seconds = round(time.perf_counter() - started, 1)
        log.info("static files compressed", effort=effort, bytes=len(body), seconds=seconds)
        if effort == static_packs.BEST_EFFORT:
            try_save_pack(kept, body)
        yield files


def build_in_subprocess(folder: Path, effort: str) -> bytes:
    """Let a process of its own build a pack, so that no request waits for it."""
    done = subprocess.run(  # noqa: S603 - this very Python, on a folder of ours
        [sys.executable, "-m", static_packs.__name__, str(folder.resolve()), effort, str(os.getpid())],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=BUILD_TIMEOUT_SECONDS,
        check=True,
    )
    return done.stdout


def try_save_pack(file: Path, pack: bytes) -> None:
    try:
        save_pack(file, pack)
    except OSError as error:
        log.warning("compressed static files cannot be kept, the next start compresses them again", error=str(error))


def save_pack(file: Path, pack: bytes) -> None:
    """Put the pack where the next start finds it, whole or not at all; packs of other editions go."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{uuid4().hex}")
    try:
        new.write_bytes(pack)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    for other in file.parent.glob("*.pack"):
        if other != file:
            other.unlink(missing_ok=True)


if __name__ == "__main__":
    for _ in load_or_build_packs(Path(sys.argv[1]), PREBUILT_FOLDER):
        pass
