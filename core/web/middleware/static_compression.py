"""Serve Streamlit's static files precompressed: an empty page takes 2.7 MB uncompressed, and less than half so.

Not servestatic or whitenoise: they expect `.br` and `.gz` beside the originals, which lie in site-packages.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.middleware import precompress
from core.web.middleware.precompress import CompressedFile, CorruptFiles

PREFIX = "/static/"
A_YEAR_SECONDS = 365 * 24 * 3600
# Requests that wait for `/health` get the processor first.
START_DELAY_SECONDS = 0.5
# The best effort takes half a minute of a processor: not during start-up, and not for a process that soon ends.
BUILD_PAUSE_SECONDS = 60
BUILD_TIMEOUT_SECONDS = 600

Files = Mapping[str, CompressedFile]
log = structlog.get_logger()


class StaticCompression:
    """Serve `/static/…` from memory to clients that accept brotli or gzip; pass all else on to Streamlit.

    Precompressed files are loaded in a background thread from *cache_folder* or PREBUILT_FOLDER. Where there are none,
    a child process compresses them, first quickly, then with the best effort, which is saved in *cache_folder*.
    Until then files are sent uncompressed.
    """

    def __init__(
        self,
        app: ASGIApp,
        folder: Path,
        cache_folder: Path,
        start_delay: float = START_DELAY_SECONDS,
        build_pause: float = BUILD_PAUSE_SECONDS,
    ) -> None:
        self.app = app
        self.folder = folder
        self.cache_folder = cache_folder
        self.start_delay = start_delay
        self.build_pause = build_pause
        self.files: Files = {}
        self._loader: threading.Thread | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._loader is None:
            self._loader = threading.Thread(target=self._load, name="compression", daemon=True)
            self._loader.start()
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        file = self.files.get(scope["path"])
        encoding = None
        # A byte range refers to the uncompressed file.
        if file and scope["method"] in {"GET", "HEAD"} and "range" not in headers:
            encoding = negotiate_encoding(", ".join(headers.getlist("accept-encoding")), tuple(file.bodies))
        if file and encoding:
            await send_compressed(file, encoding, headers, scope["method"], send)
        else:
            await self.app(scope, receive, with_vary_header(send))

    def _load(self) -> None:
        time.sleep(self.start_delay)
        try:
            for files in load_or_compress(self.folder, self.cache_folder):
                self.files = {f"{PREFIX}{name}": file for name, file in files.items()}
                time.sleep(self.build_pause)
        except (OSError, subprocess.SubprocessError, CorruptFiles) as error:
            log.warning("static file compression failed", error=str(error))


async def send_compressed(
    file: CompressedFile, encoding: str, request_headers: Headers, method: str, send: Send
) -> None:
    """Send 200 with the compressed body, or 304 if the client has it; names contain a hash, so it never changes."""
    etag = f'"{file.digest}-{encoding}"'
    headers = MutableHeaders(
        {
            "etag": etag,
            "cache-control": f"public, immutable, max-age={A_YEAR_SECONDS}",
            "vary": "Accept-Encoding",
        }
    )
    cached = [tag.strip().removeprefix("W/") for tag in request_headers.get("if-none-match", "").split(",")]
    body = b""
    status = 304
    if etag not in cached and cached != ["*"]:
        status = 200
        body = file.bodies[encoding]
        headers.update(
            {"content-type": file.media_type, "content-encoding": encoding, "content-length": str(len(body))}
        )
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body if method == "GET" else b""})


def with_vary_header(send: Send) -> Send:
    """Add `Vary: Accept-Encoding` to the response: shared caches must not serve one coding to every client."""

    async def send_with_vary(message: Message) -> None:
        if message["type"] == "http.response.start":
            add_vary_header(MutableHeaders(scope=message))
        await send(message)

    return send_with_vary


def add_vary_header(headers: MutableHeaders) -> None:
    if "accept-encoding" not in headers.get("vary", "").lower():
        headers.add_vary_header("Accept-Encoding")


def negotiate_encoding(accepted: str, offered: tuple[str, ...]) -> str | None:
    """Return the coding of *offered* that Accept-Encoding prefers; None if uncompressed is preferred or required."""
    weights = dict(parse_encoding_weight(part) for part in accepted.split(",") if part.strip())
    default = weights.get("*", 0.0)
    best = max(offered, key=lambda coding: (weights.get(coding, default), -offered.index(coding)), default=None)
    if best is None or not weights.get(best, default) or weights.get(best, default) < weights.get("identity", 0):
        return None
    return best


def parse_encoding_weight(part: str) -> tuple[str, float]:
    """Parse `gzip;q=0.5`; a malformed weight counts as 0."""
    name, _, parameter = part.partition(";")
    key, _, value = parameter.partition("=")
    if not key.strip():
        return name.strip().lower(), 1.0
    try:
        q = float(value) if key.strip().lower() == "q" else 0.0
    except ValueError:
        q = 0.0
    return name.strip().lower(), q if 0 <= q <= 1 else 0.0


def load_or_compress(folder: Path, cache_folder: Path) -> Iterator[Files]:
    """Yield the precompressed files of *folder*: saved ones, else newly compressed ones, quick first, then the best.

    Raises OSError, subprocess.SubprocessError.
    """
    name = precompress.folder_fingerprint(folder)
    for saved in (cache_folder / name, precompress.PREBUILT_FOLDER / name):
        with suppress(OSError, CorruptFiles):
            yield precompress.load_files(saved)
            return
    for effort in precompress.EFFORTS:
        started = time.perf_counter()
        with TemporaryDirectory() as temporary:
            compressed = Path(temporary) / "files"
            compress_in_subprocess(folder, compressed, effort)
            files = precompress.load_files(compressed)
            size = sum(len(body) for file in files.values() for body in file.bodies.values())
            seconds = round(time.perf_counter() - started, 1)
            log.info("static files compressed", effort=effort, bytes=size, seconds=seconds)
            if effort == precompress.BEST_EFFORT:
                try_save_files(compressed, cache_folder / name)
        yield files


def compress_in_subprocess(folder: Path, destination: Path, effort: str) -> None:
    """Compress in a child process of low priority, so that no request waits for it."""
    module = (sys.executable, "-m", precompress.__name__)
    options = ("--to", str(destination), "--effort", effort, "--parent", str(os.getpid()))
    subprocess.run(  # noqa: S603 - this very Python, on a folder of ours
        [*module, str(folder.resolve()), *options],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=BUILD_TIMEOUT_SECONDS,
        check=True,
    )


def try_save_files(compressed: Path, destination: Path) -> None:
    try:
        precompress.save_files(compressed, destination)
    except OSError as error:
        log.warning("compressed static files not saved, will be compressed again at next start", error=str(error))
