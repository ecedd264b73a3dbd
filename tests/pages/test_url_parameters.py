"""Whatever a page's URL holds, the page renders, and a parameter is used or named in a sentence."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as some
from sqlalchemy import insert

from core.db import schema
from core.errors import BadInput
from core.markup import FIRST_STRONG_ISOLATE, POP_ISOLATE
from core.whole_numbers import parse_whole_number
from tests import seed_data
from tests.pages.wording import page_text

PAGES = Path(__file__).resolve().parents[2] / "pages"
PARAMETERS = {
    "account": ["login"],
    "repositories": ["search", "owner", "language", "license", "min_stars", "order", "hide"],
    "languages": ["by", "source"],
    "scene": ["owners", "language", "account", "min_stars", "height", "repository"],
    "movers": ["days", "language", "account", "collection", "by", "age"],
    "changes": ["account", "repository", "kind", "span"],
    "repository": ["name"],
    "compare": ["measure", "align", "scale", "view"],
    "search": ["q"],
    "alerts": ["kind", "of", "rule", "webhook"],
    "tracking": ["q", "state"],
    "ingestion": ["account", "by", "outcome", "ingestion"],
    "people": ["q", "role", "state", "person", "by", "did", "since", "until", "find"],
    "system": [],
    "overview": [],
}
NUMBERS = ["inf", "nan", "1e3", "1_000", "1000", "-1", "9" * 400, "٣", "2147483648", " 7"]
HOSTILE = ["\x00", "a\x00b", "\x7f", "%", "_", "'; --", "`**b**`", "x" * 5000, "2026-02-30", "9999-12-31"]


@pytest.fixture
def admin_page(database, browser, person, visit):
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 50}, primary_language="Python", license="MIT")
    account = seed_data.add_account(database, "octo")
    database.execute(insert(schema.tracked_account).values(account_id=account))
    database.execute(insert(schema.webhook).values(name="w", url="https://example.com/", format="json", secret="s"))
    browser.sign_in(person("boss", role="admin"))

    def opened(page: str, **parameters: str):
        return visit("" if page == "overview" else page, as_of="2026-06-01", **parameters)

    return opened


def assert_nothing_failed(shown) -> None:
    assert not shown.exception
    assert not shown.error, [error.value for error in shown.error]


def warnings(shown) -> str:
    """Return the warnings without the signs that keep text from right to left apart."""
    text = "\n".join(warning.value for warning in shown.warning)
    return text.replace(FIRST_STRONG_ISOLATE, "").replace(POP_ISOLATE, "")


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize("page", ["repositories", "scene"])
def test_a_number_is_used_or_named_never_both(admin_page, page, text):
    shown = admin_page(page, min_stars=text)
    assert_nothing_failed(shown)
    try:
        expected, is_named = parse_whole_number(text), False
    except BadInput:
        expected, is_named = 0, True
    assert shown.number_input(key="min_stars").value == expected
    assert ("min_stars=" in warnings(shown)) is is_named


@pytest.mark.parametrize("page", PARAMETERS)
@pytest.mark.parametrize("text", ["a\x00b", "x" * 5000])
def test_what_no_column_can_hold_is_named_by_one_check(admin_page, page, text):
    shown = admin_page(page, **dict.fromkeys(PARAMETERS[page], text))
    assert_nothing_failed(shown)
    for name in PARAMETERS[page]:
        assert f"`{name}={text[:1]}" in warnings(shown)


# Not shrunk: each example takes a second, and it is a few letters.
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(page=some.sampled_from(sorted(PARAMETERS)), text=some.sampled_from(NUMBERS + HOSTILE) | some.text(max_size=8))
@example(page="people", text="2026-02-30")
@example(page="ingestion", text="9" * 18)
@example(page="scene", text="٣")
def test_a_page_renders_with_any_text_in_all_its_parameters(admin_page, page, text):
    shown = admin_page(page, **dict.fromkeys(PARAMETERS[page], text))
    assert_nothing_failed(shown)
    inputs = {one.key: one.value for one in (*shown.text_input, *shown.selectbox)}
    for name in set(PARAMETERS[page]) & set(inputs):
        assert inputs[name] == text or not text or f"`{name}=" in warnings(shown), name


@pytest.mark.parametrize(("page", "name"), [("alerts", "rule"), ("alerts", "webhook"), ("tracking", "state")])
def test_an_id_or_a_state_that_does_not_exist_gets_a_sentence(admin_page, page, name):
    assert f"`{name}=nothing`" in warnings(admin_page(page, **{name: "nothing"}))


def test_a_tower_that_is_not_in_the_city_gets_a_sentence(admin_page):
    assert "octo/dog is not in this city" in page_text(admin_page("scene", repository="octo/dog"))


def test_a_change_of_an_input_is_in_the_url(admin_page):
    shown = admin_page("repositories")
    shown.text_input(key="search").set_value("cat").run()
    shown.number_input(key="min_stars").set_value(1000).run()
    assert (shown.query_params["search"], shown.query_params["min_stars"]) == ("cat", "1000")
    shown.text_input(key="search").set_value("").run()
    assert "search" not in shown.query_params


@pytest.mark.parametrize(
    ("page", "given", "written"),
    [
        ("movers", {"by": "lost", "language": "python"}, {"by": "Lost", "language": "Python"}),
        ("repositories", {"hide": "FORKS", "language": "PYTHON"}, {"hide": "forks", "language": "Python"}),
        ("alerts", {"kind": "archived"}, {"kind": "Archived"}),
    ],
)
def test_a_choice_that_is_spelt_another_way_stays_in_the_url(admin_page, page, given, written):
    """A link that is copied from the browser shows the same rows."""
    shown = admin_page(page, **given)
    assert_nothing_failed(shown)
    for _ in range(2):
        values = {name: shown.query_params[name] for name in given}
        assert {name: value if isinstance(value, str) else value[0] for name, value in values.items()} == written
        shown.run()


def test_clearing_the_filters_clears_the_url(admin_page):
    shown = admin_page("repositories", search="cat", min_stars="10")
    next(button for button in shown.button if button.label == "Clear filters").click().run()
    assert (shown.text_input(key="search").value, shown.number_input(key="min_stars").value) == ("", 0)
    assert "search" not in shown.query_params


def test_only_one_module_reads_query_parameters():
    """Others would meet text that it refuses; `as_of` has a parser of its own, `url_changes` only writes."""
    readers = [
        str(path.relative_to(PAGES))
        for path in PAGES.rglob("*.py")
        if re.search(r"st\.query_params", path.read_text(encoding="utf-8"))
    ]
    assert sorted(readers) == ["components/as_of.py", "components/query_params.py", "session/url_changes.py"]
