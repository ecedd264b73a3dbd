"""Fixtures that run pages as the app does: from the main script, with a session, over real rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from core.auth.identity import Origin
from core.auth.people import Person
from core.settings import settings
from core.site_pages import SITE_PAGES

MAIN = str(Path(__file__).resolve().parents[2] / "pages" / "main.py")
TIMEOUT_SECONDS = 60
SECRET_KEY = "a key that is long enough for a test, and no secret"
OpenPage = Callable[..., AppTest]


@pytest.fixture(scope="package", autouse=True)
def shared_by_page_runs() -> Iterator[None]:
    """Do once what `AppTest` does for every page, and wait for a page's thread without polling it each millisecond.

    A web process too finds its components and compiles its pages once.
    """
    from streamlit.components.v2 import manifest_scanner
    from streamlit.runtime.scriptrunner.script_cache import ScriptCache
    from streamlit.testing.v1 import local_script_runner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(local_script_runner, "ScriptCache", cache(ScriptCache))
        patch.setattr(local_script_runner, "require_widgets_deltas", wait_for_page)
        yield


def wait_for_page(runner: LocalScriptRunner, timeout: float) -> None:
    """Wait until the page has run. Raises RuntimeError after *timeout* seconds."""
    thread = runner._script_thread
    assert thread
    thread.join(timeout)
    if thread.is_alive():
        runner.request_stop()
        raise RuntimeError(f"the page has not run in {timeout} seconds")


@dataclass
class Browser:
    """Cookies and headers that the browser sends when it opens a page."""

    cookies: dict[str, str]
    headers: dict[str, str]

    def sign_in(self, person: Person) -> None:
        from core.auth import sessions

        tokens = sessions.start(person.id, Origin("127.0.0.1", "tests"))
        self.cookies |= {"almanac_access": tokens.access, "almanac_refresh": tokens.refresh}

    def forget(self) -> None:
        """Drop all cookies but the nonce that the document request sets."""
        self.cookies.clear()
        self.cookies["almanac_nonce"] = "n" * 43


@pytest.fixture
def browser(redis: Redis, database: Connection, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """The reader's browser, without a session."""
    from streamlit.runtime.context import ContextProxy, StreamlitCookies, StreamlitHeaders

    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    settings.cache_clear()
    sent = Browser({}, {"x-auth-address": "127.0.0.1", "user-agent": "tests", "x-request-id": "0123456789abcdef"})
    sent.forget()
    monkeypatch.setattr(ContextProxy, "cookies", property(lambda _self: StreamlitCookies(sent.cookies)))
    headers = property(lambda _self: StreamlitHeaders([*sent.headers.items()]))
    monkeypatch.setattr(ContextProxy, "headers", headers)
    return sent


@pytest.fixture
def person(browser: Browser) -> Callable[..., Person]:
    """Create people: `person("ada", role="admin")`; with a password only if one is given."""
    from core.auth import people

    def create(username: str = "reader", **values: Any) -> Person:
        return people.create(username, actor="tests", **values)

    return create


@pytest.fixture
def reader(person: Callable[..., Person], browser: Browser) -> Person:
    """A signed-in analyst."""
    analyst = person()
    browser.sign_in(analyst)
    return analyst


@pytest.fixture
def visit(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Open the page of a URL path, signed in or not: `visit("account", login="octo")`.

    The first script run already knows the path, as when a browser opens the URL. It returns the page after that run.
    """
    from streamlit import config
    from streamlit.util import calc_hash

    from pages.components import page_replay

    page_replay.disable()
    monkeypatch.setattr(config, "_main_script_path", MAIN)

    def opened(page: str = "", **parameters: str) -> AppTest:
        shown = AppTest.from_file(MAIN, default_timeout=TIMEOUT_SECONDS)
        assert page in SITE_PAGES
        # AppTest.switch_page knows the paths only after a first run, which would draw the overview.
        shown._page_hash = calc_hash(page) if page else ""
        for name, value in parameters.items():
            shown.query_params[name] = value
        return shown.run()

    return opened


@pytest.fixture
def open_page(reader: Person, visit: OpenPage) -> OpenPage:
    """Open a page as a signed-in analyst: `open_page("account", login="octo")`."""
    return visit
