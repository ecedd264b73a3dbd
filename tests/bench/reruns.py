"""Processor time of a page's warm rerun in the web process, and how many readers one process bears.

BASE names a checkout of an older version to measure beside this one, SCALE (default 0.02) sizes the database, SESSIONS
(default 100) is how many pages rerun at once, KEEP a folder that keeps the databases for the next run. With MINUTES
memory alone is measured: so many minutes of reruns, of several pages and of new data versions, beside the first five.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import cycle, repeat
from pathlib import Path
from statistics import median, quantiles

import psycopg
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from core.launcher.embedded import lease
from tests.bench.measurement import Measurement, console, temporary_servers
from tests.bench.questions_of_readers import ensure_filled, libpq_url
from tests.bench.startup import free_port, wait_until_healthy

PAGES = {
    "overview": "",
    "account": "login={login}",
    "languages": "",
    "movers": "",
    "changes": "",
    "repository": "name={repository}",
    "repositories": "",
    "scene": "",
}
HEAVY = ("overview", "account", "languages", "movers")
TYPICAL_REPOSITORIES = 40
WARM_UP_RUNS, MEASURED_RUNS, ROUNDS = 3, 15, 3
INTERVAL_SECONDS, LOAD_SECONDS = 5.0, 60.0
PUBLISH_SECONDS = 20.0
MINUTES_BEFORE = 5  # memory has its level by then: caches are full, pages compiled
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
ONE_CHART = """
import plotly.graph_objects as go
import streamlit as st

st.plotly_chart(go.Figure(go.Scatter(y=list(range(10)))))
"""
READERS = 10
SIGN_IN = f"""
from core.auth import people, sessions
from core.auth.identity import Origin

for number in range({READERS}):
    name = f"reader{{number}}"
    reader = people.find_by_username(name) or people.create(name, actor="bench", role="admin")
    tokens = sessions.start(reader.id, Origin("127.0.0.1", "bench"))
    print(f"almanac_access={{tokens.access}}; almanac_refresh={{tokens.refresh}}")
"""
# As set-up does it. Without, a web process has Streamlit's files compressed in the first minutes of the measurement.
PRECOMPRESS = """
import streamlit
from pathlib import Path
from core.settings import settings
from core.web.middleware.precompress import BEST_EFFORT, compress_folder, folder_fingerprint

folder = Path(streamlit.__file__).parent / "static" / "static"
compress_folder(folder, settings().data_dir / "static" / folder_fingerprint(folder), BEST_EFFORT)
"""
FINISHED_BYTES = 200  # the message that ends a run is small, so that others need not be parsed


@dataclass
class Web:
    """A web process; *name* says which."""

    name: str
    address: str
    pid: int
    database_url: str = ""
    readers: Iterator[str] = field(default_factory=lambda: repeat(""))

    @cached_property
    def subjects(self) -> dict[str, str]:
        """Return a typical account and its last repository, and the account with most repositories."""
        sql = """
            SELECT login, max(full_name), count(*) FROM repository JOIN account ON account.id = account_id
              JOIN repository_current ON repository_id = repository.id
             GROUP BY login ORDER BY abs(count(*) - %s), login
        """
        with psycopg.connect(self.database_url) as connection:
            accounts = connection.execute(sql, [TYPICAL_REPOSITORIES]).fetchall()
        login, repository, _ = accounts[0]
        return {"login": login, "repository": repository, "largest": max(accounts, key=lambda found: found[2])[0]}

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
    sessions, minutes = int(os.environ.get("SESSIONS") or 100), float(os.environ.get("MINUTES") or 0)
    with running_processes() as webs:
        if minutes:
            return [figure for web in webs[1:] for figure in asyncio.run(measure_memory(web, sessions, minutes))]
        figures = asyncio.run(measure_reruns(*webs))
        for web in webs:
            figures += asyncio.run(measure_load(web, sessions))
        return figures


async def measure_reruns(floor: Web, new: Web, old: Web | None = None) -> list[Measurement]:
    least = await rerun_milliseconds(floor, "overview", "")
    figures = [Measurement("one chart alone: processor time of a warm rerun", least, "ms")]
    for page, query in PAGES.items():
        after = await rerun_milliseconds(new, page, query.format(**new.subjects))
        target = "at most 30 ms" if page in HEAVY else ""
        if old:
            before = await rerun_milliseconds(old, page, query.format(**old.subjects))
            target = f"{before / after:,.1f} times less than {before:,.0f} ms; {target}".removesuffix("; ")
        figures.append(Measurement(f"{page}: processor time of a warm rerun", after, "ms", least, target))
        console.print(figures[-1])
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


async def measure_memory(web: Web, sessions: int, minutes: float) -> list[Measurement]:
    """Let *sessions* pages of HEAVY rerun while data versions change; report memory after *minutes* and after five."""
    async with AsyncExitStack() as until:
        named = [page for page, _ in zip(cycle(HEAVY), range(sessions), strict=False)]
        pages = [await open_page(until, web, page, PAGES[page].format(**web.subjects)) for page in named]
        await rerun_all(pages, web, MINUTES_BEFORE * 60)
        before, memory = web.megabytes(), []
        for minute in range(round(minutes - MINUTES_BEFORE)):
            await rerun_all(pages, web, 60)
            memory.append(web.megabytes())
            console.print(f"{web.name}: {memory[-1]:.0f} MB after {minute + 1 + MINUTES_BEFORE} minutes")
        what = f"{web.name}: memory with {sessions} sessions after {minutes:g} minutes"
        return [Measurement(what, median(memory[-5:]), "MB", before, f"at most 1.1 times that after {MINUTES_BEFORE}")]


async def rerun_all(pages: list[Page], publisher: Web | None, seconds: float = LOAD_SECONDS) -> list[float]:
    """Rerun each page every INTERVAL_SECONDS, spread evenly; return the seconds of each run, waiting included."""
    took: list[float] = []
    ends_at = time.perf_counter() + seconds

    async def read(page: Page, first_at: float) -> None:
        due = first_at
        while due < ends_at:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            took.append(await page.run())
            due = max(due + INTERVAL_SECONDS, time.perf_counter())

    async def publish() -> None:
        while publisher is not None and time.perf_counter() < ends_at:
            await asyncio.sleep(PUBLISH_SECONDS)
            with psycopg.connect(publisher.database_url) as connection:
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
        additional_headers={"cookie": next(web.readers)},  # one person may open fifty pages
        max_size=None,
        ping_interval=None,
        compression=None,
    )
    return Page(await until.enter_async_context(socket), page, query)


@contextmanager
def running_processes() -> Iterator[list[Web]]:
    """Run an app of one chart, this version and the older one, if any; each version has a database of its own."""
    scale, base, kept = float(os.environ.get("SCALE") or 0.02), os.environ.get("BASE"), os.environ.get("KEEP")
    trees = {"now": Path.cwd()} | ({"before": Path(base).resolve()} if base else {})
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with ExitStack() as until:
        folder = Path(until.enter_context(tempfile.TemporaryDirectory(prefix="almanac-bench-", dir="/tmp")))
        servers = until.enter_context(nullcontext(lease(Path(kept))) if kept else temporary_servers())
        (folder / "one_chart.py").write_text(ONE_CHART)
        webs = [until.enter_context(one_chart_process(folder))]
        for name, tree in trees.items():
            url = servers.database_url.replace("/almanac?", f"/reruns_{name}_{str(scale).replace('.', '_')}?")
            ensure_filled(servers.database_url, url, tree, scale, end)
            environment = {
                "DATABASE_URL": url,
                "REDIS_URL": servers.redis_url,
                "SECRET_KEY": "of this measurement alone, and no secret",
                "LIMIT_PAGES": "1000000/minute",
                "REFRESH_EVERY": "1d",  # the accounts of this database are refreshed once a day or more often
                "DATA_DIR": str(folder / name),
                "LOG_LEVEL": "ERROR",
                "PYTHONPATH": str(tree),
            }
            webs.append(until.enter_context(web_process(name, tree, environment)))
        yield webs
        if kept:
            servers.release(wait_seconds=10)


@contextmanager
def web_process(name: str, checkout: Path, environment: dict[str, str]) -> Iterator[Web]:
    given = {**os.environ, **environment}
    signed_in = subprocess.run(
        [sys.executable, "-P", "-c", SIGN_IN], cwd=checkout, env=given, check=True, stdout=subprocess.PIPE, text=True
    )
    subprocess.run([sys.executable, "-P", "-c", PRECOMPRESS], cwd=checkout, env=given, check=True)
    with running([sys.executable, "app.py"], checkout, given) as (address, pid):
        # The audit trail is written to the same output, whatever the level.
        cookies = [line for line in signed_in.stdout.splitlines() if line.startswith("almanac_access=")]
        readers = cycle(cookies)
        yield Web(name, address, pid, libpq_url(environment["DATABASE_URL"]), readers)


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
