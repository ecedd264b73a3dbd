"""Several web processes behind the proxy of haproxy.cfg: restarts without a failed request, pages that come back."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed

from core.auth import people
from core.launcher.embedded import Servers
from tests.debian_programs import find_program
from tests.pgbouncer import free_port, is_closed
from tests.test_app import ROOT, environment
from tests.test_websockets import SECRET_KEY, Page, core_configured, engine, signed_in  # noqa: F401 - fixtures
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
# More of both by hand: WEB_PROCESSES=3 READERS=50 pytest tests/test_web_processes.py
ADDRESSES = tuple(f"127.0.0.{number + 2}" for number in range(int(os.environ.get("WEB_PROCESSES", "2"))))
READERS = int(os.environ.get("READERS", "4"))
NAME = "web.test"
DRAIN_SECONDS = 4
START_SECONDS = 60 + 8 * READERS
PATIENT_HTTP_SECONDS = 60


class NameServer:
    """Answers every question for an A record with ADDRESSES, as a container engine's name server does for replicas."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            end = question.index(b"\0", 12) + 5
            is_a = question[end - 4 : end - 2] == b"\0\1"
            records = [b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\x04" + socket.inet_aton(one) for one in ADDRESSES] if is_a else []
            head = question[:2] + b"\x85\x80\0\1" + len(records).to_bytes(2, "big") + b"\0\0\0\0"
            self.socket.sendto(head + question[12:end] + b"".join(records), client)


class WebProcesses:
    """The web processes on one port of several addresses."""

    def __init__(self, given: dict[str, str], folder: Path) -> None:
        self.port, self.proxy_port = free_port(), free_port()
        self.given, self.folder = given, folder
        self.control = folder / "control"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, address: str, **more: str) -> None:
        settings = {
            **self.given,
            **more,
            "PUBLIC_URL": f"http://127.0.0.1:{self.proxy_port}",
            "HOST": address,
            "PORT": str(self.port),
            "DATA_DIR": str(self.folder / address),
        }
        self.running[address] = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment(**settings))

    def wait_until_ready(self, address: str) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            assert self.running[address].poll() is None
            assert time.monotonic() < until
            try:
                if (
                    httpx.get(
                        f"http://{address}:{self.port}/health/web", headers=HOST, timeout=PATIENT_HTTP_SECONDS
                    ).status_code
                    == 200
                ):
                    return
            except httpx.TransportError:
                time.sleep(0.1)

    def wait_until_used(self) -> None:
        """Wait until the proxy sends requests and pages to all processes."""
        wait_until(lambda: self._count_used() >= 2 * len(self.running), seconds=START_SECONDS)

    def _count_used(self) -> int:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.control))
            asking.sendall(b"show stat\n")
            lines = asking.makefile().read().splitlines()
        return sum(",web" in line and line.split(",")[17].startswith("UP") for line in lines)

    def stop(self, address: str, number: signal.Signals = signal.SIGTERM) -> int:
        process = self.running.pop(address)
        process.send_signal(number)
        return process.wait(60)


HOST = {"host": "127.0.0.1"}


@pytest.fixture(scope="module")
def processes(
    servers: Servers,
    engine,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcesses]:
    find_program("haproxy")
    given = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "REDIS_URL": servers.redis_url,
        "SECRET_KEY": SECRET_KEY,
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
        "TRUSTED_PROXIES": "127.0.0.1",
        "LIMIT_API": "",
        "LIMIT_PAGES": "",
    }
    started = WebProcesses(given, tmp_path_factory.mktemp("processes"))
    for address in ADDRESSES:
        started.start(address)
    for address in ADDRESSES:
        started.wait_until_ready(address)
    yield started
    for process in started.running.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def proxy(processes: WebProcesses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the proxy before the web processes."""
    program, port, names = find_program("haproxy"), processes.proxy_port, NameServer()
    given = {
        "NAMESERVER": names.address,
        "WEB_NAME": NAME,
        "WEB_PORT": str(processes.port),
        "BIND": f"127.0.0.1:{port}",
        "CHECK_HOST": "127.0.0.1",
    }
    folder = tmp_path_factory.mktemp("haproxy")
    log, control = folder / "log", folder / "control.cfg"
    control.write_text(f"global\n  stats socket {processes.control}\n")
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "-db", "-f", str(control), "-f", str(ROOT / "haproxy.cfg")],
            env=os.environ | given,
            stdout=output,
            stderr=output,
        )
        try:
            until = time.monotonic() + START_SECONDS
            while (
                is_closed(port)
                or httpx.get(f"http://127.0.0.1:{port}/health/web", timeout=PATIENT_HTTP_SECONDS).status_code != 200
            ):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()
            names.socket.close()


class Reader:
    """A person with a page open through the proxy, which connects again whenever its connection ends."""

    def __init__(self, proxy: str, person: people.Person) -> None:
        self.web = httpx.Client(base_url=proxy, timeout=PATIENT_HTTP_SECONDS)
        self.tokens = signed_in(person)
        self.failed: list[str] = []
        self.reconnects = -1
        self.is_done = threading.Event()
        self.has_page = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while not self.is_done.is_set():
            with ExitStack() as until:
                try:
                    page = Page(self.web, until, self.tokens)
                except Exception as error:
                    self.failed.append(repr(error))
                    return
                self.reconnects += 1
                try:
                    while not self.is_done.wait(1):
                        drawn = page.run("overview")
                        if "Sign in" in drawn or "Overview" not in drawn:
                            self.failed.append(drawn[:500])
                        self.has_page.set()
                except ConnectionClosed:
                    continue

    def leave(self) -> None:
        self.is_done.set()
        self.thread.join(60)


@pytest.fixture
def person(core_configured) -> people.Person:  # noqa: F811
    return people.create(f"reader{time.monotonic_ns()}", actor="tests", role="analyst")


def open_pages(processes: WebProcesses) -> dict[str, float]:
    """Return how many pages each process has open."""
    found = {}
    for address in processes.running:
        metrics = httpx.get(
            f"http://{address}:{processes.port}/metrics", headers=HOST, timeout=PATIENT_HTTP_SECONDS
        ).text
        (line,) = [line for line in metrics.splitlines() if line.startswith("almanac_websockets_open ")]
        found[address] = float(line.split()[1])
    return found


def test_a_rolling_restart_fails_no_request_and_no_page(processes, proxy, person):
    key = {"authorization": f"Bearer {signed_in(person).access}"}
    statuses: list[object] = []
    is_done = threading.Event()

    def send_requests() -> None:
        with httpx.Client(base_url=proxy, headers=key, timeout=PATIENT_HTTP_SECONDS) as client:
            while not is_done.wait(0.2):
                try:
                    answer = client.get("/api/v1/languages")
                    statuses.append(200 if answer.status_code == 200 else (answer.status_code, answer.text))
                except httpx.HTTPError as error:
                    statuses.append(repr(error))

    readers = [Reader(proxy, person) for _ in range(READERS)]
    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send_requests) for _ in range(4)]
        try:
            for reader in readers:
                assert reader.has_page.wait(START_SECONDS), reader.failed
            processes.wait_until_used()
            for address in ADDRESSES:
                assert processes.stop(address) in {0, -signal.SIGTERM}
                processes.start(address)
                processes.wait_until_ready(address)
                processes.wait_until_used()
        finally:
            is_done.set()
            for reader in readers:
                reader.leave()
        for one in sending:
            one.result()
    assert set(statuses) == {200}
    assert [reader.failed for reader in readers] == [[]] * len(readers)
    # Each page was in one process at a time, and each process was stopped.
    assert all(reader.reconnects >= 1 for reader in readers)


def test_the_pages_of_a_killed_process_come_back_on_another_one_signed_in(processes, proxy, person):
    readers = [Reader(proxy, person) for _ in range(3)]
    try:
        for reader in readers:
            assert reader.has_page.wait(START_SECONDS)
        counts = open_pages(processes)
        killed = max(counts, key=counts.__getitem__)
        processes.stop(killed, signal.SIGKILL)
        wait_until(lambda: sum(open_pages(processes).values()) >= len(readers), seconds=START_SECONDS)
        for reader in readers:
            reader.has_page.clear()
            assert reader.has_page.wait(START_SECONDS)
    finally:
        for reader in readers:
            reader.leave()
        if killed not in processes.running:
            processes.start(killed)
            processes.wait_until_ready(killed)
    assert [reader.failed for reader in readers] == [[]] * len(readers)
    assert sum(reader.reconnects for reader in readers) >= 1


def test_who_signs_out_in_one_process_is_out_in_all(processes, person):
    tokens = signed_in(person)
    first, second = (f"http://{address}:{processes.port}" for address in ADDRESSES[:2])
    headers = {"authorization": f"Bearer {tokens.access}", **HOST}
    assert httpx.get(f"{second}/api/v1/languages", headers=headers, timeout=PATIENT_HTTP_SECONDS).status_code == 200
    left = httpx.post(
        f"{first}/api/v1/auth/logout",
        headers=headers,
        timeout=PATIENT_HTTP_SECONDS,
        json={"refresh_token": tokens.refresh},
    )
    assert left.status_code in {200, 204}
    assert httpx.get(f"{second}/api/v1/languages", headers=headers, timeout=PATIENT_HTTP_SECONDS).status_code == 401


def test_a_client_is_known_by_the_address_that_the_proxy_saw(processes, proxy, person, engine):  # noqa: F811
    claimed = {"x-forwarded-for": "203.0.113.7"}
    attempt = {"username": person.username, "password": "none that fits 1"}
    refused = httpx.post(f"{proxy}/api/v1/auth/login", headers=claimed, json=attempt, timeout=PATIENT_HTTP_SECONDS)
    assert refused.status_code == 401
    with engine.connect() as connection:
        seen = connection.scalar(
            text("SELECT host(ip_address) FROM audit_event WHERE action = 'sign_in_refused' AND actor = :name"),
            {"name": person.username},
        )
    assert seen == "127.0.0.1"
    assert httpx.get(f"{proxy}/metrics", timeout=PATIENT_HTTP_SECONDS).status_code == 404


def test_a_process_that_stops_says_so_and_still_serves(processes, person):
    address = "127.0.0.4"  # not one of the proxy's, so that nobody misses it
    processes.start(address, DRAIN_SECONDS="60")
    processes.wait_until_ready(address)
    url = f"http://{address}:{processes.port}"
    headers = {"authorization": f"Bearer {signed_in(person).access}", **HOST}
    processes.running[address].send_signal(signal.SIGTERM)
    until = time.monotonic() + START_SECONDS
    while (response := httpx.get(f"{url}/health/web", headers=HOST, timeout=PATIENT_HTTP_SECONDS)).status_code == 200:
        assert time.monotonic() < until
    assert (response.status_code, response.json()) == (503, {"status": "stopping"})
    assert httpx.get(f"{url}/api/v1/languages", headers=headers, timeout=PATIENT_HTTP_SECONDS).status_code == 200
    assert processes.stop(address) in {0, -signal.SIGTERM}  # a second signal ends it at once
