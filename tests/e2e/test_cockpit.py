"""Admin pages in a real browser: uploads, live progress, selected rows."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import Engine, create_engine, text

from tests.e2e.accessibility import serious_findings
from tests.e2e.conftest import DatabasePeople, MonitoredPage, OpenMonitoredPage, web_process


@pytest.fixture(scope="module")
def quiet(
    chromium: str,
    servers,
    clones: Callable[[], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, DatabasePeople, Engine]]:
    """A web process with a database of its own and without workers."""
    with clones() as url, web_process(url, servers.redis_url, tmp_path_factory.mktemp("cockpit")) as address:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO account (login) VALUES ('octo'), ('cat')"))
            connection.execute(text("INSERT INTO tracked_account (account_id) SELECT id FROM account"))
        yield address, DatabasePeople(url, servers.redis_url), engine
        engine.dispose()


@pytest.fixture
def cockpit(quiet, read: OpenMonitoredPage) -> Callable[..., MonitoredPage]:
    """Open that web process in a browser as a new person: `cockpit(role="admin", width=420)`."""
    address, known, _ = quiet

    def opened(role: str = "admin", width: int = 1280, theme: str = "light") -> MonitoredPage:
        reader = read(at=address, signed_in=False, width=width, theme=theme)
        reader.page.context.add_cookies(known.cookies(known.person(role=role), address, {}))
        return reader

    return opened


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (420, "light")])
@pytest.mark.parametrize("heading", ["Tracking", "Ingestion", "Alerts", "People", "System", "Overview"])
def test_a_page_fits_its_window_without_barrier_while_little_is_stored(cockpit, heading, width, theme):
    reader = cockpit(width=width, theme=theme)
    page = reader.open("/" if heading == "Overview" else f"/{heading.lower()}", heading)
    assert reader.overflow_px() <= 0
    assert serious_findings(page) == []


def test_a_file_is_uploaded_and_looked_up(cockpit, tmp_path: Path):
    page = cockpit().open("/tracking", "Tracking")
    page.get_by_role("tab", name="Upload").click()
    table = tmp_path / "accounts.csv"
    table.write_text("name,login\nOcto,octo\nNobody,-bad-\n")
    page.locator('input[type="file"]').set_input_files(table)
    page.locator(".st-key-look-up-file button").click()
    expect(page.get_by_text("No worker is running; the lookup starts when one is")).to_be_visible()


def test_an_ingestion_is_started_followed_and_cancelled_without_a_reload(cockpit, quiet):
    _, _, engine = quiet
    page = cockpit().open("/ingestion", "Ingestion")
    page.get_by_role("button", name="Refresh 2 due").click()
    expect(page.get_by_text("0 of 2 accounts")).to_be_visible()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE task_name = 'refresh'"))
        run = connection.scalar(
            text(
                "INSERT INTO ingest_run (trigger, state, ingestion_id)"
                " SELECT 'person', 'running', max(id) FROM ingestion RETURNING id"
            )
        )
        connection.execute(
            text(
                "INSERT INTO ingest_item (run_id, account_id, login, state, error_code, error)"
                " SELECT :run, id, login, 'failed', 'timeout', 'GitHub took too long' FROM account WHERE login = 'cat'"
            ),
            {"run": run},
        )
    expect(page.get_by_text("1 of 2 accounts")).to_be_visible()
    expect(page.get_by_text("failed: GitHub took too long").first).to_be_visible()
    expect(page.get_by_text("Refreshing now: octo …")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Stops after the current account.")).to_be_visible()


def test_an_analyst_tracks_a_new_account(cockpit):
    reader = cockpit("analyst")
    page = reader.open("/account?login=somebody-new", "Account")
    page.get_by_role("button", name="Track it").click()
    expect(page.get_by_text("is being checked at GitHub")).to_be_visible()
    assert "login=somebody-new" in page.url


def test_admin_pages_are_refused_to_analysts(cockpit):
    page = cockpit("analyst").open("/ingestion", "For admins")
    expect(page.get_by_text("This page is for admins")).to_be_visible()
