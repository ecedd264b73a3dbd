"""In a real browser texts of others are text: no heading, link, picture, formula, icon or tag of theirs."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import expect
from sqlalchemy import create_engine

from core.launcher.embedded import Servers
from core.markup import FIRST_STRONG_ISOLATE, POP_ISOLATE, WORD_JOINER
from tests import hostile_rows
from tests.e2e.conftest import DatabasePeople, MonitoredPage, OpenMonitoredPage, web_process
from tests.e2e.test_scene import hover_until_named, roof_position, wait_for_drawing
from tests.hostile_rows import MARKUP, NAME, NOTE, WORD

# What the browser would have made of the texts.
CREATED = (
    'a[href*="evil"], a[href^="mailto:"], img[src="x"], .katex, [role="img"][aria-label*="skull"],'
    " main table:not([role='grid']),"
    " .stMain blockquote, .stMain del, .stMain sup, .stMain .stMarkdownColoredText:text-is('x')"
)


@pytest.fixture(scope="module")
def hostile(
    chromium: str,
    servers: Servers,
    clones: Callable[[], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, DatabasePeople]]:
    """URL and people of a web process over hostile rows."""
    with clones() as database_url:
        engine = create_engine(database_url)
        with engine.begin() as connection:
            hostile_rows.insert_rows(connection)
        engine.dispose()
        with web_process(database_url, servers.redis_url, tmp_path_factory.mktemp("hostile")) as address:
            yield address, DatabasePeople(database_url, servers.redis_url)


@pytest.fixture
def reader(read: OpenMonitoredPage, hostile) -> MonitoredPage:
    address, people = hostile
    person = people.person(role="admin", display_name=hostile_rows.SHORT)
    reader = read(at=address, signed_in=False)
    reader.page.context.add_cookies(people.cookies(person, address, {}))
    return reader


def literal(text: str) -> re.Pattern[str]:
    """Match *text* with the invisible characters that keep it literal in between."""
    invisible = f"[{WORD_JOINER}{FIRST_STRONG_ISOLATE}{POP_ISOLATE}]*"
    return re.compile(invisible.join(r"\s+" if character == " " else re.escape(character) for character in text))


PAGES = {
    "/": ("Overview", hostile_rows.SHORT),
    "/repositories?owner=__in": ("Repositories", f"Similar owners: {NAME}"),
    "/alerts": ("Alerts", f"{MARKUP} {NOTE}"),
    "/ingestion": ("Ingestion", hostile_rows.SHORT),
    "/people?person=stranger": ("People", MARKUP),
    "/tracking": ("Tracking", hostile_rows.SHORT),
    "/profile": ("Profile", hostile_rows.SHORT),
}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_shows_texts_of_others_as_text(reader, path):
    open_and_expect_text(reader, path, *PAGES[path])


def open_and_expect_text(reader, path, heading, shown):
    page = reader.open(path, heading)
    expect(page.locator(".stApp")).to_contain_text(literal(shown))
    assert page.locator(CREATED).evaluate_all("found => found.map(one => one.outerHTML)") == []
    assert page.locator(":is(h1, h2, li, em, i, b)", has_text=WORD).count() == 0
    assert page.title() != "1"
    assert page.locator(".stException").count() == 0
    return page


def test_an_account_shows_its_profile_line_and_bio_as_text(reader):
    page = open_and_expect_text(reader, "/account?login=octo", "Account", NAME)
    main = page.locator(".stMain")
    expect(main).to_contain_text(literal(NAME))
    # Codes become emoji where GitHub makes them so, and the lines of a bio are one line.
    bio = f"# 1 {WORD} and * a list, see [link](https://evil.example) ⚡ std::id::new"
    expect(main).to_contain_text(literal(bio))
    expect(main).to_contain_text(literal(f"{WORD} שלום abc[31m"))


def test_languages_and_their_charts_show_tags_and_placeholders_as_text(reader):
    name = f"<i>{WORD}</i> %{{x}}"
    page = open_and_expect_text(reader, f"/languages?source={WORD}", "Languages", name)
    expect(page.locator(".js-plotly-plot text", has_text=name).first).to_be_visible()
    bar = page.locator(".js-plotly-plot .bars .point path").first
    bar.hover(force=True)
    expect(page.locator(".js-plotly-plot .hoverlayer", has_text=name)).to_have_count(1)


def test_the_scene_its_tooltip_and_legend_show_tags_as_text(reader):
    page = open_and_expect_text(reader, "/scene?repository=octo/__init__", "Scene", "octo/__init__")
    wait_for_drawing(page)
    x, y = roof_position(page, reader.address, hostile_rows.REPOSITORY)
    tooltip = page.locator(".deck-tooltip", has_text=hostile_rows.REPOSITORY)
    hover_until_named(page, x, y, hostile_rows.REPOSITORY)
    expect(tooltip).to_contain_text(hostile_rows.LANGUAGE)
    assert tooltip.locator("i").count() == 0
    expect(page.get_by_role("list", name="Towers by language")).to_contain_text(hostile_rows.LANGUAGE)
