"""Processor time of a page's warm rerun in the web process, before issue 11 and now, and how many readers it bears.

BASELINE names the checkout to compare with; by default it is taken from the repository's history. SESSIONS is how many
pages rerun at once.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit, urlunsplit

import psycopg
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.bench.measurement import Measurement, console, temporary_servers
from tests.bench.rerun_rows import LOGIN
from tests.bench.startup import free_port, wait_until_healthy

ROOT = Path(__file__).parents[2]
BASELINE_COMMIT = "da9791c"
PAGES = {
    "overview": "",
    "account": f"login={LOGIN}",
    "languages": "",
    "movers": "",
    "changes": "account=" + LOGIN,
    "repository": f"name={LOGIN}/repository-0",
    "repositories": "",
    "scene": "",
}
HEAVY = ("overview", "account", "languages", "movers")
WARM_UP_RUNS, MEASURED_RUNS, ROUNDS = 3, 15, 3
INTERVAL_SECONDS, LOAD_SECONDS = 5.0, 60.0
PUBLISH_SECONDS = 20.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
ONE_CHART = """
import plotly.graph_objects as go
import streamlit as st

st.plotly_chart(go.Figure(go.Scatter(y=list(range(10)))))
"""
FINISHED_BYTES = 200  # the message that ends a run is small, so that others need not be parsed


@dataclass
class Web:
    """A web process; *name* says which."""

    name: str
    address: str
    pid: int
    database_url: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        values = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / CLOCK_TICKS

    def megabytes(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Page:
    """A page in a browser, as its websocket sees it."""

    def __init__(self, socket: ClientConnection, page: str, query: str) -> None:
        self._socket = socket
        self._asked = BackMsg()
        self._asked.rerun_script.page_name = "" if page == "overview" else page
        self._asked.rerun_script.query_string = query

    async def run(self, *, checked: bool = False) -> float:
        """Run the script, and return the seconds until it has finished. Raises ValueError for an error if *checked*."""
        started = time.perf_counter()
        await self._socket.send(self._asked.SerializeToString())
        while True:
            received = await self._socket.recv()
            assert isinstance(received, bytes)
            if len(received) > FINISHED_BYTES and not checked:
                continue
            message = ForwardMsg.FromString(received)
            if message.delta.new_element.HasField("exception"):
                raise ValueError(str(message.delta.new_element.exception))
            if message.metadata.cacheable:
                self._asked.rerun_script.cached_message_hashes.append(message.hash)
            if message.HasField("script_finished") and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return time.perf_counter() - started


def run() -> list[Measurement]:
    sessions = int(os.environ.get("SESSIONS", "100"))
    with running_processes() as (floor, old, new):
        figures = asyncio.run(measure_reruns(floor, old, new))
        for web in (floor, new, old):
            figures += asyncio.run(measure_load(web, sessions if web is not old else min(sessions, 8)))
        return figures


async def measure_reruns(floor: Web, old: Web, new: Web) -> list[Measurement]:
    least = await rerun_milliseconds(floor, "overview", "")
    figures = [Measurement("one chart alone: processor time of a warm rerun", least, "ms")]
    for page, query in PAGES.items():
        before, after = [await rerun_milliseconds(web, page, query) for web in (old, new)]
        target = "at most 30 ms" if page in HEAVY else ""
        figures.append(Measurement(f"{page}: {before:.0f} ms before, now", after, "ms", least, target))
        console.print(f"{page}: {before:.1f} ms before, {after:.1f} ms now, {before / after:.1f} times less")
    return figures


async def rerun_milliseconds(web: Web, page: str, query: str) -> float:
    """Return the processor time of *web* for one rerun of *page*, everything included: script, queries, sending."""
    async with AsyncExitStack() as until:
        opened = await open_page(until, web, page, query)
        for _ in range(WARM_UP_RUNS):
            await opened.run(checked=True)
        rounds = []
        for _ in range(ROUNDS):
            started = web.cpu_seconds()
            for _ in range(MEASURED_RUNS):
                await opened.run()
            rounds.append((web.cpu_seconds() - started) / MEASURED_RUNS * 1000)
        return median(rounds)


async def measure_load(web: Web, sessions: int) -> list[Measurement]:
    """Let *sessions* pages of overview rerun every few seconds; then with a new data version every now and then."""
    figures = []
    async with AsyncExitStack() as until:
        pages = [await open_page(until, web, "overview", "") for _ in range(sessions)]
        for page in pages:
            await page.run()
        for publishes in (False, True) if web.database_url else (False,):
            started = web.cpu_seconds()
            took = await rerun_all(pages, web if publishes else None)
            share = (web.cpu_seconds() - started) / LOAD_SECONDS
            what = f"{web.name}: {sessions} sessions" + (", new data version every 20 s" if publishes else "")
            console.print(f"{what}: p50 {median(took) * 1000:.0f} ms, {len(took)} reruns")
            figures.append(
                Measurement(
                    f"{what}: p95",
                    quantiles(took, n=20)[-1] * 1000,
                    "ms",
                    target="under 1,000 ms" if publishes else "under 300 ms",
                )
            )
            figures.append(Measurement(f"{what}: processor", share, "cores"))
        figures.append(Measurement(f"{web.name}: memory then", web.megabytes(), "MB"))
    return figures


async def rerun_all(pages: list[Page], publisher: Web | None) -> list[float]:
    """Rerun each page every INTERVAL_SECONDS, spread evenly; return the seconds of each run, waiting included."""
    took: list[float] = []
    ends_at = time.perf_counter() + LOAD_SECONDS

    async def read(page: Page, first_at: float) -> None:
        due = first_at
        while due < ends_at:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            took.append(await page.run())
            due = max(due + INTERVAL_SECONDS, time.perf_counter())

    async def publish() -> None:
        while publisher is not None and time.perf_counter() < ends_at:
            await asyncio.sleep(PUBLISH_SECONDS)
            with psycopg.connect(libpq_url(publisher.database_url)) as connection:
                connection.execute("UPDATE data_version SET version = version + 1, published_at = now()")

    now = time.perf_counter()
    readers = [read(page, now + INTERVAL_SECONDS * number / len(pages)) for number, page in enumerate(pages)]
    await asyncio.gather(publish(), *readers)
    return took


async def open_page(until: AsyncExitStack, web: Web, page: str, query: str) -> Page:
    socket = connect(
        f"{web.address.replace('http', 'ws', 1)}/_stcore/stream",
        origin=Origin(web.address),
        subprotocols=[Subprotocol("streamlit")],
        additional_headers=web.headers,
        max_size=None,
        ping_interval=None,
        compression=None,
    )
    return Page(await until.enter_async_context(socket), page, query)


@contextmanager
def running_processes() -> Iterator[tuple[Web, Web, Web]]:
    """Run an app of one chart, the product as it was, and as it is; the latter two have databases of their own."""
    with ExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="almanac-bench-", dir="/tmp")))
        servers = until.enter_context(temporary_servers())
        (folder / "one_chart.py").write_text(ONE_CHART)
        webs = [until.enter_context(one_chart_process(folder))]
        for name, checkout in (("before", baseline(folder)), ("now", ROOT)):
            environment = {
                "DATABASE_URL": create_database(servers.database_url, name),
                "REDIS_URL": servers.redis_url,
                "SECRET_KEY": "of this measurement alone, and no secret",
                "LIMIT_PAGES": "1000000/minute",
                "REFRESH_EVERY": "1d",
                "DATA_DIR": str(folder / name),
                "LOG_LEVEL": "ERROR",
            }
            webs.append(until.enter_context(web_process(name, checkout, environment)))
        floor, old, new = webs
        yield floor, old, new


def baseline(folder: Path) -> Path:
    if given := os.environ.get("BASELINE"):
        return Path(given).resolve()
    checkout = folder / "baseline"
    checkout.mkdir()
    archive = subprocess.run(["git", "archive", BASELINE_COMMIT], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x"], cwd=checkout, input=archive.stdout, check=True)
    return checkout


def create_database(server_url: str, name: str) -> str:
    with psycopg.connect(libpq_url(server_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE reruns_{name}")
    return urlunsplit(urlsplit(server_url)._replace(path=f"/reruns_{name}"))


def libpq_url(url: str) -> str:
    return url.replace("+psycopg", "", 1)


@contextmanager
def web_process(name: str, checkout: Path, environment: dict[str, str]) -> Iterator[Web]:
    given = {**os.environ, **environment, "PYTHONPATH": str(checkout)}
    seed = [sys.executable, "-P", str(Path(__file__).with_name("rerun_rows.py"))]
    seeded = subprocess.run(seed, cwd=checkout, env=given, check=True, stdout=subprocess.PIPE, text=True)
    cookies = seeded.stdout.strip().splitlines()[-1]
    with running([sys.executable, "app.py"], checkout, given) as (address, pid):
        yield Web(name, address, pid, environment["DATABASE_URL"], {"cookie": cookies})


@contextmanager
def one_chart_process(folder: Path) -> Iterator[Web]:
    command = [sys.executable, "-m", "streamlit", "run", "one_chart.py", "--server.headless=true"]
    command += ["--server.fileWatcherType=none", "--browser.gatherUsageStats=false", "--runner.postScriptGC=false"]
    with running(command, folder, dict(os.environ)) as (address, pid):
        yield Web("one chart alone", address, pid)


@contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    port = free_port()
    given = {**environment, "PORT": str(port), "STREAMLIT_SERVER_PORT": str(port)}
    process = subprocess.Popen(command, cwd=folder, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_healthy(port, time.perf_counter(), "/health" if "app.py" in command else "/_stcore/health")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(20)
