"""Where messages of the server reach the browser late, nothing is lost that a reader does meanwhile."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenMonitoredPage
from tests.e2e.slow_connection import SlowConnection


def enter(page: Page, name: str, text: str) -> None:
    field = page.get_by_role("textbox", name=name, exact=True)
    field.fill(text)
    field.press("Enter")


def test_fields_keep_their_text_and_a_download_begins(read: OpenMonitoredPage):
    """The second field asks for a run with the URL, and the click with the button, of two runs before."""
    reader = read().another_tab()
    connection = SlowConnection(reader.page)
    page = reader.open("/repositories", "Repositories")
    connection.is_behind = True
    for run, (name, text) in enumerate({"Search": "r", "Owner": "hubot"}.items(), start=1):
        enter(page, name, text)
        connection.wait_until_finished(run)
    with page.expect_download():
        page.locator(".st-key-tool-csv-repositories button").first.click()
        connection.wait_until_finished(3)
        connection.catch_up()
    expect(page.get_by_text("7 of 37 repositories")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query) == {"search": ["r"], "owner": ["hubot"]}
    expect(page.get_by_role("textbox", name="Search", exact=True)).to_have_value("r")
    assert not reader.problems
