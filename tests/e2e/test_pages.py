"""The analysts' pages over real rows in a real browser: no external requests, no overflow, filters kept in the URL."""

import re
import struct
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from playwright.sync_api import expect

from tests.e2e.accessibility import serious_findings
from tests.e2e.conftest import TIMEOUT_MS

PAGES = {
    "/": ("Overview", "8 accounts are tracked"),
    "/account?login=octo": ("Account", "octo"),
    "/repositories": ("Repositories", "37 of 37 repositories"),
    "/languages": ("Languages", "Python"),
    "/scene": ("Scene", "Click a tower"),
    "/repository?name=octo/r0": ("Repository", "octo/r0"),
    "/compare?with=octo/r0&with=hubot/r0": ("Compare", "hubot/r0"),
    "/movers": ("Movers", "36 repositories"),
    "/changes": ("Changes", "changed"),
    "/collections": ("Collections", "There is no collection yet."),
    "/search?q=octo": ("Search", "octo"),
    "/alerts": ("Alerts", "alert"),
    "/profile": ("Profile", "this session"),
}
# What is drawn late above a cell, such as a chart. Browsers keep what is in view where it is only while the page is
# scrolled, and not all of them do.
GROW = """
    document.querySelector('[data-testid="stMain"]').style.overflowAnchor = "none";
    const late = document.createElement("div");
    late.style.height = "3000px";
    document.querySelector('[data-testid="stMainBlockContainer"]').prepend(late);
"""
# The labels of cards that do not fit them.
CUT_LABELS = """() => [...document.querySelectorAll('[data-testid="stMetricLabel"] *')]
    .filter((part) => part.scrollWidth > part.clientWidth && getComputedStyle(part).whiteSpace === "nowrap")
    .map((part) => part.textContent)"""
# Their figures have axes of numbers.
WITH_NUMBERS_ON_AXES = ("/account?login=octo", "/repositories")
BACKGROUND_COLORS = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 23, 42)"}


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 420)])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_its_rows_in_its_theme_without_overflow_or_barrier(read, path, theme, width):
    """A barrier is a serious or critical finding of axe-core: contrast, names of controls, roles, structure."""
    reader = read(theme=theme, width=width)
    heading, shown = PAGES[path]
    page = reader.open(path, heading)
    expect(page.locator(".stMain")).to_contain_text(shown)
    assert page.locator(".stException").count() == 0
    assert page.locator('[data-testid="stAlertContentError"]').count() == 0
    assert reader.overflow_px() <= 0
    assert page.evaluate(CUT_LABELS) == []
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert background == BACKGROUND_COLORS[theme]
    assert serious_findings(page) == []
    if width == 1280 and path in WITH_NUMBERS_ON_AXES:
        expect_ticks_distinct_and_written_as_people_write_numbers(page)


def expect_ticks_distinct_and_written_as_people_write_numbers(page):
    """The browser draws the ticks of the figures: none such as 500m, 1.5G, or one twice."""
    expect(page.locator(".js-plotly-plot .ytick text").first).to_be_visible()
    ticks = page.locator(".js-plotly-plot").evaluate_all(
        "plots => plots.map(plot => [...plot.querySelectorAll('.ytick text')].map(tick => tick.textContent))"
    )
    numbers = [texts for texts in ticks if texts and texts[0][0].isdigit()]
    assert numbers
    for texts in numbers:
        assert len(texts) == len(set(texts)) >= 2
        assert all(re.fullmatch(r"\d{1,3}(,\d{3})*|\d+(\.\d+)?[kMB]|\d+\s%", text) for text in texts), texts


def test_the_tab_is_named_after_the_subject_of_its_page(read):
    reader = read()
    page = reader.open("/account?login=octo", "Account")
    expect(page).to_have_title("octo · Account · Almanac")
    page.get_by_role("combobox", name="Account").fill("hubot")
    page.keyboard.press("Enter")
    expect(page).to_have_title("hubot · Account · Almanac")
    page = reader.open("/repository?name=https://github.com/octo/r0", "Repository")
    expect(page).to_have_title("octo/r0 · Repository · Almanac")
    page = reader.open("/account?login=<b>no</b>", "Account")
    expect(page).to_have_title("Account · Almanac")
    for path, heading, title in (
        ("/account", "Account", "Account · Almanac"),
        ("/languages?language=python", "Languages", "Python · Languages · Almanac"),
        ("/languages?language=no-such", "Languages", "Languages · Almanac"),
        ("/collections?collection=no-such", "Collections", "Collections · Almanac"),
        ("/compare?with=octo/r0&with=hubot/r0", "Compare", "octo/r0 and hubot/r0 · Compare · Almanac"),
        ("/compare?with=octo,hubot,mona", "Compare", "octo and 2 more · Compare · Almanac"),
        ("/search?q=octo", "Search", "octo · Search · Almanac"),
    ):
        page = reader.open(path, heading)
        expect(page).to_have_title(title)


# Of the focused element: its name, its outline, and the colour behind it.
FOCUSED = """() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    let behind = element.parentElement;
    const isClear = (one) => /, 0\\)$/.test(getComputedStyle(one).backgroundColor);
    while (behind.parentElement && isClear(behind)) behind = behind.parentElement;
    return {
        name: element.tagName + " " + (element.getAttribute("aria-label") || element.textContent).slice(0, 40),
        isRinged: /^(A|BUTTON|SUMMARY|MAIN)$/.test(element.tagName),
        ring: style.outlineStyle === "solid" ? parseFloat(style.outlineWidth) : 0,
        colors: [style.outlineColor, getComputedStyle(behind).backgroundColor],
    };
}"""


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 420)])
def test_what_has_the_keyboard_is_seen(read, theme, width):
    """Links and buttons get a ring of two pixels with a contrast of 3 to 1 to what is behind; fields have their own."""
    page = read(theme=theme, width=width).open("/movers", "Movers")
    if width < 640:
        page.get_by_role("button", name="Expand sidebar").click()
    ringed = []
    for _ in range(48):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["isRinged"]:
            ringed.append(focused["name"])
            assert focused["ring"] >= 2, focused
            assert contrast(*focused["colors"]) >= 3, focused
    for part in ("Compare", "Alerts", "Link to heading", "Definition"):
        assert any(part in name for name in ringed), part


def contrast(*colors: str) -> float:
    """Return the contrast of two colours as WCAG defines it: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    dark, light = sorted(luminance(color) for color in colors)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_filters_are_in_the_url_and_survive_a_reload(read):
    reader = read()
    page = reader.open("/repositories?min_stars=5000", "Repositories")
    search = page.get_by_role("textbox", name="Search")
    search.fill("octo")
    search.press("Enter")
    expect(page.get_by_text("5 of 37 repositories")).to_be_visible()
    params = parse_qs(urlsplit(page.url).query)
    assert params == {"search": ["octo"], "min_stars": ["5000"]}
    page.reload(wait_until="commit")
    reader.wait_until_ready("Repositories")
    expect(page.get_by_text("5 of 37 repositories")).to_be_visible()
    expect(search).to_have_value("octo")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_text("37 of 37 repositories")).to_be_visible()


def test_without_matches_the_page_says_which_filter_to_loosen(read):
    page = read().open("/repositories?search=octo&license=MIT&min_stars=49000", "Repositories")
    expect(page.get_by_text("No repository matches.").first).to_contain_text("with any licence")


def test_invalid_filters_in_the_url_are_listed(read):
    """So is a form of date that the API refuses."""
    page = read().open("/repositories?as_of=2026/10/31&order=weight&language=Klingon&language=python", "Repositories")
    expect(page.get_by_text("as_of is not a date or timestamp").first).to_be_visible()
    expect(page.get_by_text("as of now").first).to_be_visible()
    warning = page.get_by_test_id("stAlert").filter(has_text="order=weight").first
    expect(warning).to_contain_text("order=weight")
    expect(warning).to_contain_text("language=Klingon")
    expect(warning).not_to_contain_text("python")
    expect(page.get_by_text(" of 37 repositories")).not_to_contain_text("37 of")


def test_exports_hold_all_matching_rows_and_escape_spreadsheet_formulas(read, tmp_path):
    """A table has no download of its own: it would hold rows past the export limit, with formulas as they are."""
    reader = read()
    page = reader.open("/repositories", "Repositories")
    for extension in ("CSV", "Parquet"):
        reader.wait_until_ready("Repositories")
        with page.expect_download() as download:
            page.locator(f".st-key-tool-{extension.lower()}-repositories button").first.click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
        assert re.fullmatch(
            rf"almanac-repositories-\d{{4}}-\d\d-\d\d\.{extension.lower()}", download.value.suggested_filename
        )
    table = pd.read_csv(next(tmp_path.glob("*.csv")))
    assert len(table) == 37
    assert table.set_index("full_name").loc["old/times", "description"].startswith("'=")
    assert pd.read_parquet(next(tmp_path.glob("*.parquet")))["full_name"].tolist() == table["full_name"].tolist()
    page.get_by_test_id("stDataFrame").first.hover()
    buttons = page.get_by_test_id("stElementToolbarButton").locator("button")
    expect(buttons.first).to_be_visible()
    labels = [button.get_attribute("aria-label") or "" for button in buttons.all()]
    assert any(label.startswith("Search") for label in labels)
    assert not [label for label in labels if "ownload" in label]


def test_a_cell_shows_its_sql(read):
    page = read().open("/repositories?owner=hubot", "Repositories")
    page.get_by_role("button", name="SQL").first.click()
    code = page.get_by_test_id("stPopoverBody").get_by_test_id("stCode")
    expect(code).to_contain_text("FROM stored")
    expect(code).to_contain_text("'hubot'")


def test_a_page_can_be_read_as_of_a_day(read):
    from tests.e2e import rows

    day = rows.sixty_days_ago()
    page = read().open(f"/repositories?as_of={day}&search=octo/r0", "Repositories")
    expect(page.get_by_text("1 of 37 repositories")).to_be_visible()
    expect(page.get_by_text(f"as of {day}").first).to_be_visible()


def test_a_moment_in_the_url_is_kept_on_the_next_page(read):
    from tests.e2e import rows

    day = rows.sixty_days_ago()
    reader = read()
    page = reader.open(f"/repositories?as_of={day}T12:00:00Z", "Repositories")
    expect(page.get_by_text(f"as of {day} 12:00:00 UTC").first).to_be_visible()
    page.get_by_role("link", name="Languages").first.click()
    reader.wait_until_ready("Languages")
    expect(page.get_by_text("At 12:00:00 UTC on that day.")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["as_of"] == [f"{day}T12:00:00Z"]


def test_a_day_chosen_in_the_sidebar_replaces_the_moment_in_the_url(read):
    page = read().open("/languages?as_of=2026-03-15T12:00:00Z", "Languages")
    expect(page.get_by_text("At 12:00:00 UTC on that day.")).to_be_visible()
    page.get_by_test_id("stDateInput").first.get_by_role("spinbutton").last.click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    page.get_by_text("Data version").first.click()  # the input is read when it loses the focus
    expect(page).to_have_url(re.compile(r"/languages\?as_of=2026-03-14$"))
    expect(page.get_by_text("At 12:00:00 UTC on that day.")).to_be_hidden()


def test_a_cell_has_a_link_that_scrolls_to_it_and_its_chart_as_image_files(read, tmp_path):
    """The images hold the question and, in words, what the chart covers; a PNG has two pixels for one of the SVG."""
    page = read(height=700).open("/account?login=octo", "Account")
    cell = page.locator(".st-key-cell-account-languages")
    cell.locator(".js-plotly-plot .main-svg").first.wait_for()
    for item in ("Chart as SVG", "Chart as PNG"):
        page.locator(".st-key-tool-more-account-languages button").first.click()
        with page.expect_download() as download:
            page.get_by_text(item).click()
        assert re.fullmatch(r"almanac-account-languages-\d{4}-\d\d-\d\d\.(svg|png)", download.value.suggested_filename)
        download.value.save_as(tmp_path / download.value.suggested_filename[-3:])
    svg = ElementTree.parse(tmp_path / "svg").getroot()
    texts = "".join(svg.itertext())
    assert cell.get_by_role("heading").inner_text() in texts
    assert "Python" in texts
    assert "Almanac · " in texts
    size = struct.unpack(">II", (tmp_path / "png").read_bytes()[16:24])
    assert size == (2 * int(svg.attrib["width"]), 2 * int(svg.attrib["height"]))
    page.locator(".st-key-tool-more-account-languages button").first.click()
    page.get_by_text("Link to this cell").click()
    page.wait_for_url("**/account?login=octo#account-languages")
    page.reload(wait_until="commit")
    expect(page.locator("#account-languages")).to_be_in_viewport()
    page.evaluate(GROW)
    expect(page.locator("#account-languages")).to_be_in_viewport()
    page.mouse.move(640, 350)
    page.mouse.wheel(0, -20_000)
    expect(page.locator("#account-languages")).not_to_be_in_viewport()
    page.evaluate(GROW)
    page.get_by_role("heading", level=1).scroll_into_view_if_needed()
    expect(page.locator("#account-languages")).not_to_be_in_viewport()


def test_the_notebook_of_a_page_runs_against_the_api_and_against_a_file(read, known, tmp_path, monkeypatch):
    """The key comes from the environment; both ways the first rows are those of the page."""
    reader = read()
    page = reader.open("/repository?name=octo/r0", "Repository")
    for name, extension in (("page-notebook", "ipynb"), ("page-rows", "zip")):
        with page.expect_download() as download:
            page.locator(f".st-key-{name} button").first.click()
        download.value.save_as(tmp_path / extension)
    key = known.api_key(reader.person)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    content = (tmp_path / "ipynb").read_text()
    assert key not in content
    for variables in ({"ALMANAC_URL": reader.address, "ALMANAC_API_KEY": key}, {"ALMANAC_ROWS": str(tmp_path / "zip")}):
        ran = nbformat.reads(content, as_version=4)
        with pytest.MonkeyPatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            NotebookClient(ran, timeout=TIMEOUT_MS / 1000, kernel_name="python3").execute()
        (rows,) = (cell for cell in ran.cells if cell.id == "repository-stars-rows")
        shown = rows.outputs[0]["data"]["text/plain"]
        # One row a week for ten weeks, each ten stars more than the one before.
        assert "49910" in shown
        assert "50000" in shown
        (drawn,) = (cell for cell in ran.cells if cell.id == "repository-stars-chart")
        assert "application/vnd.plotly.v1+json" in drawn.outputs[0]["data"]
