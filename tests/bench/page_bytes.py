"""What a first visit transfers, counted by a real Chromium, and what a rerun pays for session and limit."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from uuid import UUID

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import create_engine

from core import redis_client
from core.auth import people, sessions
from core.auth.identity import Origin
from core.db import engine as db_engine
from core.ratelimit import limiter
from core.settings import settings
from tests.bench.measurement import Measurement, console, temporary_servers
from tests.bench.startup import free_port, wait_until_healthy

TESTS = Path(__file__).parents[1]
SIGN_IN_PATH, CHART_PATH = "/", "/languages"
COMPRESSION_TIMEOUT_SECONDS = 600  # it leaves the processor to everybody else
TIMEOUT_MS = 60_000
IDLE_MS = 3_000
MEGABYTE = 1_000_000
ROUNDS = 500


def run() -> list[Measurement]:
    with tempfile.TemporaryDirectory(prefix="almanac-bench-", dir="/tmp") as folder, prepared_servers() as environment:
        return [*measure_rerun_checks(), *measure_transfers(Path(folder), environment)]


@contextmanager
def prepared_servers() -> Iterator[dict[str, str]]:
    """Servers with known rows and the environment that names them, for this process too."""
    with temporary_servers() as servers:
        given = {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "SECRET_KEY": "of this measurement alone, and no secret",
            "LIMIT_PAGES": "1000000/minute",
        }
        os.environ |= given
        settings.cache_clear()
        seed_rows(servers.database_url)
        yield given
        db_engine.engine().dispose()
        for name in given:
            del os.environ[name]


def seed_rows(url: str) -> None:
    """The rows that the browser tests read."""
    sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]
    from tests.e2e import rows

    engine = create_engine(url)
    with engine.begin() as connection:
        rows.insert_rows(connection)
    engine.dispose()


def measure_rerun_checks() -> list[Measurement]:
    """Measure the checks before a page runs, beside one Redis request."""
    reader = people.create("bench", actor="bench")
    session = sessions.start(reader.id, Origin("127.0.0.1", "bench")).session_id
    who = str(reader.id)

    def both() -> None:
        sessions.get_live(UUID(str(session)))
        limiter.check("pages", who)

    limit, floor = median_milliseconds(redis_client.redis().ping, partial(limiter.check, "pages", who))
    rerun, _ = median_milliseconds(redis_client.redis().ping, both)
    return [
        Measurement("limit check, p50", limit, "ms", floor, "at most 1 ms"),
        Measurement("session and limit checks of a rerun, p50", rerun, "ms", floor, "at most 3 ms"),
    ]


def median_milliseconds(floor: Callable[[], object], ask: Callable[[], object]) -> tuple[float, float]:
    """The typical milliseconds of *ask* and of *floor*, taken in turns: a busy machine slows both."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for times, one in zip(taken, (ask, floor), strict=True):
            started = time.perf_counter()
            one()
            times.append((time.perf_counter() - started) * 1000)
    return median(taken[0]), median(taken[1])


def measure_transfers(folder: Path, environment: dict[str, str]) -> list[Measurement]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        console.print("skipped: no Chromium on the PATH; CHROMIUM names one")
        return []
    with web_process(folder, environment) as address, sync_playwright() as playwright:
        ready = wait_for_best_compression(folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        figures = [
            *measure_encodings(browser, "no chart", address, [], SIGN_IN_PATH, "at most 1.1 MB"),
            *measure_encodings(browser, "a chart", address, session_cookies(address), CHART_PATH, "at most 2.5 MB"),
            Measurement("first start: best compression after", ready, "s"),
        ]
        browser.close()
    return figures


@contextmanager
def web_process(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    port = free_port()
    given = os.environ | environment | {"PORT": str(port), "DATA_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "app.py"], env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_healthy(port, time.perf_counter())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for_best_compression(folder: Path) -> float:
    """Wait for what the second start would have had at once."""
    started = time.perf_counter()
    while not list(folder.glob("static/*/manifest.json")):
        if time.perf_counter() - started > COMPRESSION_TIMEOUT_SECONDS:
            raise TimeoutError("the best compression did not come")
        time.sleep(0.1)
    time.sleep(0.5)
    return time.perf_counter() - started


def session_cookies(address: str) -> list[dict[str, str]]:
    """Return the cookies of a signed-in person."""
    reader = people.find_by_username("bench")
    assert reader
    tokens = sessions.start(reader.id, Origin("127.0.0.1", "bench"))
    given = {"almanac_access": tokens.access, "almanac_refresh": tokens.refresh}
    return [{"name": name, "value": value, "url": address} for name, value in given.items()]


def measure_encodings(
    browser: Browser, what: str, address: str, given: list[dict[str, str]], path: str, target: str
) -> list[Measurement]:
    """The bytes of a first visit, by a browser that takes brotli, one that takes gzip, and one that takes neither."""
    figures = []
    for codings, words, promise in (
        ("gzip, deflate, br", "brotli", target),
        ("gzip, deflate", "gzip (no https)", ""),
        ("identity", "plain", ""),
    ):
        received = bytes_of_first_visit(browser, f"{address}{path}", given, codings)
        figures.append(Measurement(f"first visit, {what}: {words}", received / MEGABYTE, "MB", target=promise))
    return figures


def bytes_of_first_visit(browser: Browser, url: str, given: list[dict[str, str]], codings: str) -> int:
    """Read a page in a fresh profile; all that came over the wire, headers and the websocket too."""
    context = browser.new_context(extra_http_headers={"accept-encoding": codings})
    if given:
        context.add_cookies(given)  # type: ignore[arg-type]
    page = context.new_page()
    received = count_received_bytes(page)
    page.goto(url, wait_until="commit")
    page.get_by_role("heading", level=1).first.wait_for(timeout=TIMEOUT_MS)
    page.locator('.stApp[data-test-script-state="notRunning"]').wait_for(timeout=TIMEOUT_MS)
    if url.endswith(CHART_PATH):
        page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=TIMEOUT_MS)
    page.wait_for_timeout(IDLE_MS)
    context.close()
    return sum(received)


def count_received_bytes(page: Page) -> list[int]:
    received: list[int] = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    # Binary frames arrive in base64.
    network.on(
        "Network.webSocketFrameReceived", lambda event: received.append(len(event["response"]["payloadData"]) * 3 // 4)
    )
    return received
