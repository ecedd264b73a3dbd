"""Fixtures: a real web process over known rows, and a real Chromium."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen
from uuid import uuid4

import pytest
from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, expect, sync_playwright
from sqlalchemy import create_engine, text

from core import redis_client
from core.auth import api_keys, people, session_cache, sessions
from core.auth.identity import Identity, Origin
from core.auth.people import Person
from core.db.engine import transaction
from core.db.override import use_engine
from core.launcher.embedded import Servers
from core.ratelimit import limiter, storage
from core.settings import settings
from tests.conftest import REDIS_TIMEOUT_SECONDS
from tests.e2e import rows

PROJECT = Path(__file__).resolve().parents[2]
# WebGL by a software renderer, for machines without a graphics card; pages themselves are drawn faster without it.
# All pages of a context in one process, which has loaded and compiled the frontend before.
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--process-per-site"]
# An empty page on the host of all web processes, so that their process outlives each test.
KEPT_URL = "http://127.0.0.1/kept"
START_SECONDS = 120
SECRET_KEY = "a key that is long enough for a test, and no secret"
# More page loads than any test needs, and a window so short that a test can wait for its end.
WEB_SETTINGS = {
    "SECRET_KEY": SECRET_KEY,
    "REGISTRATION": "open",
    "LIMIT_PAGES": "100/10 second",
    "LIMIT_EXPORT": "100/minute",  # a notebook downloads a file for each cell of its page
}
TIMEOUT_MS = 60_000


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/e2e/"):
            item.add_marker(pytest.mark.browser)
            # Two xdist workers share the work about evenly, each with one browser and one server for most of its tests.
            group = "browser sessions" if item.path.stem in {"test_session", "test_cockpit"} else "browser pages"
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of the Chromium to test with."""
    if os.environ.get("NO_BROWSER") == "1":
        pytest.skip("NO_BROWSER=1 leaves the browser tests out")
    named = os.environ.get("CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.fail("no Chromium on the PATH; CHROMIUM names one, NO_BROWSER=1 leaves these tests out")
    return found


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def filled(clones: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """URL of a database with known rows, shared by all web processes under test."""
    with clones() as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            rows.insert_rows(connection)
        engine.dispose()
        yield url


@pytest.fixture(scope="session")
def address(chromium: str, servers: Servers, filled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the web process under test, stopped at the end of the session."""
    with web_process(filled, servers.redis_url, tmp_path_factory.mktemp("web")) as address:
        yield address


@contextmanager
def web_process(database_url: str, redis_url: str, folder: Path, **more: str) -> Iterator[str]:
    """Run a separate web process with *more* settings until the end of the block."""
    port = free_port()
    configured = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "PORT": str(port), "DATA_DIR": str(folder)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=PROJECT,
            env={**os.environ, **configured, **WEB_SETTINGS, **more},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/health", timeout=START_SECONDS) as response:
                if response.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the web process did not become healthy:\n{log.read_text()[-4000:]}")


# A first script run can be followed at once by another. Each wait begins to count: nobody has watched in between.
RESTS = """(wait) => {
    const state = document.querySelector(".stApp")?.dataset.testScriptState;
    const now = performance.now();
    if (state !== "notRunning" || window.restingSince?.wait !== wait) window.restingSince = {wait, now};
    return now - window.restingSince.now > 250;
}"""


class MonitoredPage:
    """A browser page that records external requests, console errors and script errors as problems."""

    def __init__(self, page: Page, address: str, person: Person | None = None) -> None:
        self.page = page
        self.address = address
        self.person = person
        self.problems: list[str] = []
        self.expected_errors: list[str] = []
        self._waits = itertools.count()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("pageerror", self._on_error)

    def stop(self) -> None:
        """Record nothing any more, for a page that others use."""
        self.page.remove_listener("request", self._on_request)
        self.page.remove_listener("console", self._on_console)
        self.page.remove_listener("pageerror", self._on_error)

    def another_tab(self) -> "MonitoredPage":
        """Open a second page in the same browser context, with the same cookies."""
        return MonitoredPage(self.page.context.new_page(), self.address, self.person)

    def expect_error(self, *expected: str) -> None:
        """Do not count console errors with one of these request paths or texts as a problem."""
        self.expected_errors += expected

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.problems.append(f"external request: {request.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        path = urlsplit(message.location.get("url", "")).path
        # Streamlit first probes for itself under the page's own path, which responds 404.
        is_probe = path.endswith(("/_stcore/health", "/_stcore/host-config"))
        is_expected = any(expected == path or expected in message.text for expected in self.expected_errors)
        if message.type == "error" and not is_probe and not is_expected:
            self.problems.append(f"console: {message.text} {path}")

    def _on_error(self, error: Error) -> None:
        self.problems.append(f"error: {error}")

    def open(self, path: str, heading: str) -> Page:
        """Open *path* and wait until the page with that heading has finished its script run."""
        self.page.goto(f"{self.address}{path}", wait_until="commit")
        return self.wait_until_ready(heading)

    def wait_until_ready(self, heading: str) -> Page:
        self.page.get_by_role("heading", name=heading, exact=True, level=1).wait_for()
        self.page.locator('.stApp[data-test-script-state="notRunning"]').wait_for()
        self.page.wait_for_function(RESTS, arg=next(self._waits))
        return self.page

    def overflow_px(self) -> int:
        """Return by how many pixels the page is wider than the window; not positive if it fits."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


class DatabasePeople:
    """Create people and sessions in the database under test, which the web process shares."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **WEB_SETTINGS}

    @contextmanager
    def core_configured(self, **more: str) -> Iterator[None]:
        """Configure `core` in this process like a web process with *more* settings."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (self.environment | more).items():
                patch.setenv(name, value)
            for module in (session_cache, storage):
                patch.setattr(module, "TIMEOUT_SECONDS", REDIS_TIMEOUT_SECONDS)
            settings.cache_clear()
            redis_client.redis.cache_clear()
            engine = create_engine(self.environment["DATABASE_URL"])
            with use_engine(engine):
                yield
            engine.dispose()
        settings.cache_clear()
        redis_client.redis.cache_clear()

    def person(self, **values: Any) -> Person:
        """Create a person, with a password only if one is given."""
        with self.core_configured():
            return people.create(f"reader-{uuid4().hex[:8]}", actor="tests", **values)

    def expire_access(self, person: Person) -> None:
        """Let the access tokens of the person's sessions expire now; their refresh tokens stay valid."""
        with self.core_configured():
            with transaction() as connection:
                connection.execute(
                    text("UPDATE session SET access_expires_at = now() WHERE person_id = :id"), {"id": person.id}
                )
                ids = sessions.active_session_ids(connection, person.id)
            sessions.invalidate_cached(ids)

    def sign_out(self, person: Person) -> None:
        """End the person's sessions, as if they had signed out everywhere in another browser."""
        with self.core_configured():
            sessions.revoke_all(person.id, "signed_out_elsewhere")

    def count_invitations(self) -> int:
        with self.core_configured(), transaction() as connection:
            return int(connection.scalar(text("SELECT count(*) FROM ticket WHERE purpose = 'invite'")) or 0)

    def spend_limit(self, kind: limiter.LimitKind, person: Person) -> None:
        """Use up what is left of the person's limit."""
        with self.core_configured():
            if left := limiter.peek(kind, str(person.id)).remaining:
                limiter.check(kind, str(person.id), cost=left)

    def api_key(self, person: Person) -> str:
        """Create an API key of the person, as their profile page does."""
        with self.core_configured():
            sessions.start(person.id, Origin("127.0.0.1", "tests"))
            with transaction() as connection:
                session_id = sessions.active_session_ids(connection, person.id)[0]
            identity = Identity(person.id, person.username, person.role, session_id=session_id)
            return api_keys.create(identity, "notebook", None, Origin("127.0.0.1", "tests"))[1]

    def cookies(self, person: Person, address: str, settings: dict[str, str]) -> list[SetCookieParam]:
        """Start a session and return its cookies in Playwright's form."""
        with self.core_configured(**settings):
            tokens = sessions.start(person.id, Origin("127.0.0.1", "tests"))
        cookies = {"almanac_access": tokens.access, "almanac_refresh": tokens.refresh}
        return [
            {"name": name, "value": value, "url": address, "httpOnly": True, "sameSite": "Lax"}
            for name, value in cookies.items()
        ]


@pytest.fixture(scope="session")
def known(filled: str, servers: Servers) -> DatabasePeople:
    return DatabasePeople(filled, servers.redis_url)


OpenMonitoredPage = Callable[..., MonitoredPage]


@pytest.fixture(scope="package")
def shared_page(browser: Browser) -> Iterator[Page]:
    """One page for all tests: it loads and compiles the frontend once. `read` empties it and its context afterwards.

    It asks for less motion: frames that fade in are drawn many times and never read.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    kept = context.new_page()
    kept.route("**", lambda route: route.fulfill(body=""))
    kept.goto(KEPT_URL)
    yield context.new_page()
    context.close()


def empty_page(page: Page) -> None:
    """Close the other tabs of *page*, and forget all routes, cookies and stored values; what it has compiled stays."""
    context = page.context
    context.unroute_all()
    for tab in context.pages:
        if tab != page and tab.url != KEPT_URL:
            tab.close()
    if page.url.startswith("http"):
        # Not by a script of the page, which may be on its way to another URL.
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        driver = context.new_cdp_session(page)
        for is_local in (True, False):
            stored = {"securityOrigin": origin, "isLocalStorage": is_local}
            driver.send("DOMStorage.clear", {"storageId": stored})
        driver.detach()
    page.mouse.move(-1, -1)  # so that it hovers over nothing of the next page
    page.goto("about:blank")
    context.clear_cookies()


@pytest.fixture
def read(shared_page: Page, known: DatabasePeople, address: str) -> Iterator[OpenMonitoredPage]:
    """Open a page, signed in as a new person; fails at the end if it had a problem. One person at a time."""
    readers: list[MonitoredPage] = []

    def opened(
        *,
        theme: str = "light",
        width: int = 1280,
        height: int = 1000,
        at: str = address,
        role: str = "analyst",
        signed_in: bool = True,
        settings: dict[str, str] | None = None,
    ) -> MonitoredPage:
        assert not readers, "a second person needs a browser context of their own"
        shared_page.set_viewport_size({"width": width, "height": height})
        shared_page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        person = known.person(role=role) if signed_in else None
        if person:
            shared_page.context.add_cookies(known.cookies(person, at, settings or {}))
        readers.append(MonitoredPage(shared_page, at, person))
        return readers[-1]

    yield opened
    problems = [problem for reader in readers for problem in reader.problems]
    for reader in readers:
        reader.stop()
    empty_page(shared_page)
    assert not problems
