"""Sign-in, session renewal and sign-out in a real browser, with cookies and several tabs."""

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Download, Page, expect

from core.launcher.embedded import Servers
from tests.e2e.accessibility import serious_findings
from tests.e2e.conftest import DatabasePeople, MonitoredPage, OpenMonitoredPage, web_process
from tests.e2e.slow_connection import SlowConnection

PASSWORD = "A passphrase with 1 digit"
ACCESS_SECONDS = 8
DARK_BACKGROUND = "rgb(15, 23, 42)"
# Refused once the session has ended, where a scene is drawn again at that moment.
SCENE_ROWS = ("/api/v1/scene/city.csv", "Failed to fetch resource (401)")


SHORT_LIVED_SETTINGS = {"ACCESS_TOKEN_MINUTES": str(ACCESS_SECONDS / 60)}


@pytest.fixture(scope="module")
def hasty(filled: str, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web process with access tokens of eight seconds."""
    with web_process(filled, servers.redis_url, tmp_path_factory.mktemp("hasty"), **SHORT_LIVED_SETTINGS) as address:
        yield address


def fill_in(page: Page, username: str, password: str) -> None:
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Password", exact=True).press("Enter")


def session_cookies(page: Page) -> list[dict[str, object]]:
    return [cookie for cookie in page.context.cookies() if str(cookie["name"]).startswith("almanac_")]


def fresh_profile(reader: MonitoredPage, cookies: list[dict[str, object]]) -> MonitoredPage:
    context = reader.page.context.browser.new_context()
    context.add_cookies(cookies)
    return MonitoredPage(context.new_page(), reader.address)


def test_register_stay_in_open_a_second_tab_and_sign_out_everywhere(read: OpenMonitoredPage):
    first = read(signed_in=False)
    page = first.open("/register", "Create an account")
    assert serious_findings(page) == []
    page.get_by_label("First name (optional)").fill("Ada")
    page.get_by_label("Username", exact=True).fill("Ada.o_s-1815")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    expect(page.locator('li[data-met="true"]')).to_have_count(3)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    first.wait_until_ready("Overview")
    page.reload(wait_until="commit")
    first.wait_until_ready("Overview")
    assert "almanac" not in page.evaluate("document.cookie")
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in session_cookies(page))
    stolen = session_cookies(page)
    second = first.another_tab()
    second.open("/repositories?search=octo", "Repositories")
    first.open("/profile", "Profile")
    expect(page.get_by_text("this session")).to_be_visible()
    page.get_by_role("button", name="Sign out everywhere").click()
    first.wait_until_ready("Sign in")
    second.wait_until_ready("Sign in")
    expect(second.page.get_by_text("You were signed out elsewhere")).to_be_visible()
    assert "search=octo" in second.page.url
    stranger = fresh_profile(first, stolen)
    stranger.open("/repositories", "Sign in")
    assert stranger.page.get_by_text("of 37 repositories").count() == 0
    assert not [*second.problems, *stranger.problems]
    stranger.page.context.close()


def test_a_link_shows_its_page_after_a_wrong_password(read: OpenMonitoredPage, known: DatabasePeople):
    person = known.person(password=PASSWORD)
    reader = read(signed_in=False, width=420, theme="dark")
    page = reader.open("/repositories?search=hubot&min_stars=5", "Sign in")
    expect(page.get_by_label("Username", exact=True)).to_be_focused()
    assert page.get_by_label("Username", exact=True).get_attribute("autocomplete") == "username"
    assert page.get_by_label("Password", exact=True).get_attribute("autocomplete") == "current-password"
    assert page.get_by_role("dialog").count() == 0
    assert reader.overflow_px() <= 0
    assert serious_findings(page) == []
    fill_in(page, person.username, "not the password")
    expect(page.get_by_text("Username or password is wrong.")).to_be_visible()
    fill_in(page, person.username, PASSWORD)
    reader.wait_until_ready("Repositories")
    expect(page.get_by_text(re.compile("of 37 repositories"))).to_be_visible()
    assert "search=hubot" in page.url
    assert "min_stars=5" in page.url


def test_a_sign_in_page_open_in_another_tab_still_works(read: OpenMonitoredPage, known: DatabasePeople):
    person = known.person(password=PASSWORD)
    first = read(signed_in=False)
    first.open("/", "Sign in")
    second = first.another_tab()
    second.open("/languages", "Sign in")
    fill_in(first.page, person.username, PASSWORD)
    first.wait_until_ready("Overview")
    # The nonce cookie has changed since: the page reloads itself, and the sign-in works.
    second.expect_error("/auth/session")
    fill_in(second.page, person.username, PASSWORD)
    second.wait_until_ready("Languages")
    assert not second.problems


def test_a_reset_link_sets_a_password_once(read: OpenMonitoredPage, known: DatabasePeople):
    from core.auth import tickets
    from core.auth.identity import Origin

    person = known.person(password=PASSWORD)
    with known.core_configured():
        secret = tickets.issue_reset("tests", person.id, Origin())
    reader = read(signed_in=False)
    page = reader.open(f"/reset#{secret}", "New password")
    page.get_by_role("textbox", name="New password").fill("Another passphrase 2")
    page.get_by_label("Repeat password").fill("Another passphrase 2")
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("is set, and all sessions have ended")).to_be_visible()
    page.get_by_role("button", name="Sign in").click()
    reader.wait_until_ready("Sign in")
    assert secret not in page.url
    fill_in(page, person.username, "Another passphrase 2")
    reader.wait_until_ready("Overview")
    page.get_by_role("button", name="Sign out").click()
    reader.wait_until_ready("Sign in")
    reader.open(f"/reset#{secret}", "New password")
    expect(page.get_by_text("This link expired or was already used")).to_be_visible()


def test_a_key_is_shown_once_and_the_theme_persists(read: OpenMonitoredPage):
    reader = read()
    page = reader.open("/profile", "Profile")
    page.get_by_label("Name of a new key").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text(re.compile("^alm_"))).to_be_visible()
    key = page.get_by_text(re.compile("^alm_")).inner_text()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text(f"…{key[-4:]}")).to_be_visible()
    expect(page.get_by_text(key)).to_have_count(0)
    page.get_by_role("radio", name="Dark").click()
    expect(page.locator(".stApp")).to_have_css("background-color", DARK_BACKGROUND)
    reader.open("/languages", "Languages")
    expect(page.locator(".stApp")).to_have_css("background-color", DARK_BACKGROUND)


def test_a_refused_form_keeps_what_was_typed_and_an_accepted_one_is_empty(read: OpenMonitoredPage):
    reader = read(role="admin")
    page = reader.open("/alerts", "Alerts")
    name, url = page.get_by_label("Name", exact=True), page.get_by_label("URL", exact=True)
    name.fill("Team chat")
    url.fill("ftp://hooks.example.com/hook")
    page.get_by_role("button", name="Add").last.click()
    expect(page.get_by_test_id("stAlert").filter(has_text="URL").first).to_be_visible()
    expect(name).to_have_value("Team chat")
    expect(url).to_have_value("ftp://hooks.example.com/hook")
    url.fill("https://hooks.example.com/hook")
    page.get_by_role("button", name="Add").last.click()
    expect(page.get_by_text("hooks.example.com").first).to_be_visible()
    expect(url).to_have_value("")
    page = reader.open("/profile", "Profile")
    name = page.get_by_label("Name of a new key")
    name.fill("laptop\u0007")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_test_id("stAlert").filter(has_text="name").first).to_be_visible()
    expect(name).to_have_value("laptop\u0007")
    name.fill("laptop")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text(re.compile("^alm_"))).to_be_visible()
    expect(name).to_have_value("")


def test_open_pages_renew_their_access_tokens_in_turn(read: OpenMonitoredPage, hasty: str):
    first = read(at=hasty, settings=SHORT_LIVED_SETTINGS)
    first.open("/repositories?search=octo", "Repositories")
    second = first.another_tab()
    second.open("/languages", "Languages")
    first.page.wait_for_timeout(1.6 * ACCESS_SECONDS * 1000)
    for reader, heading in ((first, "Repositories"), (second, "Languages")):
        reader.page.get_by_role("link", name="Overview").click()
        reader.wait_until_ready("Overview")
        reader.page.go_back()
        reader.wait_until_ready(heading)
    assert not second.problems


def test_a_page_that_could_not_renew_in_time_recovers_its_state(read: OpenMonitoredPage, known: DatabasePeople):
    reader = read()
    page = reader.open("/repositories", "Repositories")
    page.get_by_role("textbox", name="Search").fill("hubot")
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(page).to_have_url(re.compile("search=hubot"))
    reader.expect_error("/auth/refresh")
    page.context.route("**/auth/refresh", lambda route: route.abort())
    known.expire_access(reader.person)
    expect(page.get_by_text("your session is being renewed")).to_be_visible()
    page.context.unroute("**/auth/refresh")
    expect(page.get_by_text("of 37 repositories")).to_be_visible()
    expect(page.get_by_role("textbox", name="Search")).to_have_value("hubot")
    assert "search=hubot" in page.url


# Records the countdown's texts: on a slow machine it may be over before the test reads the page.
RECORD_COUNTDOWN = """() => {
    window.countdown = [];
    const text = Object.getOwnPropertyDescriptor(Node.prototype, "textContent");
    Object.defineProperty(Node.prototype, "textContent", {
        ...text,
        set(value) {
            if (/^Continues in \\d+ s$/.test(value)) window.countdown.push(value);
            text.set.call(this, value);
        },
    });
}"""


def test_a_reached_limit_counts_down_and_continues_automatically(read: OpenMonitoredPage, known: DatabasePeople):
    reader = read()
    page = reader.open("/languages", "Languages")
    page.evaluate(RECORD_COUNTDOWN)
    # Each click comes too late where page loads are available again before it arrives; then the next one is tried.
    for choice in itertools.cycle(("Bytes", "Repositories")):
        known.spend_limit("pages", reader.person)
        page.get_by_role("radio", name=choice).click()
        page.wait_for_function(f"window.countdown.length || location.search.includes('by={choice}')")
        if page.evaluate("window.countdown.length"):
            break
    expect(page.get_by_text("You have loaded 100 pages")).to_have_count(0)
    reader.wait_until_ready("Languages")
    assert f"by={choice}" in page.url


def test_an_export_beyond_the_limit_is_reported_and_not_sent(read: OpenMonitoredPage, known: DatabasePeople):
    reader = read()
    page = reader.open("/repositories", "Repositories")
    button = page.locator(".st-key-tool-csv-repositories button").first
    with page.expect_download():
        button.click()
    sent: list[Download] = []

    def note(download: Download) -> None:
        sent.append(download)

    page.on("download", note)
    reader.wait_until_ready("Repositories")
    known.spend_limit("export", reader.person)
    button.click()
    expect(page.get_by_text("You have downloaded 100 exports")).to_be_visible()
    page.remove_listener("download", note)
    assert not sent


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/scene?min_stars=1000", "Scene"),
        ("/alerts?kind=Archived", "Alerts"),
        ("/repositories?search=octo", "Repositories"),
    ],
)
def test_an_ended_session_shows_the_sign_in_without_a_click_and_the_page_again_after_it(
    read: OpenMonitoredPage, known: DatabasePeople, path: str, heading: str
):
    reader = read(signed_in=False)
    reader.expect_error(*SCENE_ROWS)
    person = known.person(password=PASSWORD)
    page = reader.open(path, "Sign in")
    fill_in(page, person.username, PASSWORD)
    reader.wait_until_ready(heading)
    if heading == "Scene":
        page.locator("canvas").first.wait_for()
    known.sign_out(person)
    reader.wait_until_ready("Sign in")
    expect(page.get_by_text("You were signed out elsewhere")).to_be_visible()
    # A window of another size makes a scene report its width, from a page that is gone by now.
    page.set_viewport_size({"width": 900, "height": 800})
    page.wait_for_timeout(1_000)
    reader.wait_until_ready("Sign in")
    assert path.partition("?")[2] in page.url
    fill_in(page, person.username, PASSWORD)
    reader.wait_until_ready(heading)
    assert path.partition("?")[2] in page.url


def test_a_scene_whose_width_changes_as_its_session_ends_shows_the_sign_in(
    read: OpenMonitoredPage, known: DatabasePeople
):
    reader = read()
    reader.expect_error(*SCENE_ROWS)
    page = reader.open("/scene", "Scene")
    page.locator("canvas").first.wait_for()
    known.sign_out(reader.person)
    page.set_viewport_size({"width": 800, "height": 800})
    reader.wait_until_ready("Sign in")
    expect(page.get_by_label("Username", exact=True)).to_be_visible()


@pytest.mark.parametrize("end", ["sign_out", "expire_access"])
def test_a_dialog_submitted_after_the_end_writes_nothing(read: OpenMonitoredPage, known: DatabasePeople, end: str):
    reader = read(role="admin").another_tab()
    connection = SlowConnection(reader.page)
    page = reader.open("/people", "People")
    page.get_by_role("button", name="Invite").click()
    submit = page.get_by_role("dialog").get_by_role("button", name="Create link")
    submit.wait_for()
    before = known.count_invitations()
    reader.expect_error("/auth/refresh")
    page.context.route("**/auth/refresh", lambda route: route.fulfill(status=401))
    connection.is_behind = True  # the page keeps the dialog when the session has ended
    getattr(known, end)(reader.person)
    submit.click()
    connection.catch_up()
    reader.wait_until_ready("Sign in")
    assert known.count_invitations() == before
    assert page.get_by_role("dialog").count() == 0
    assert "/people" in page.url
    assert not reader.problems
