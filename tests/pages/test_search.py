"""The page of search results and the box in the sidebar that leads to it."""

import pytest

from tests import seed_data
from tests.pages.wording import page_text


@pytest.fixture
def stored(database):
    seed_data.add_repository(database, "octo/*bold*", {"2026-01-01": 5}, github_id=7, description="[a](b)")


def test_results_lead_to_their_pages_and_strangers_text_is_not_markup(open_page, stored):
    shown = open_page("search", q="octo")
    assert not shown.exception
    links = {link.label: link.page for link in shown.get("page_link")}
    assert links.items() >= {"octo": "account", r"octo/\*bold\*": "repository"}.items()
    assert r"\[a\]\(b\)" in page_text(shown)


def test_no_result_and_no_text_say_so(open_page, stored):
    assert "Nothing stored is called `nobody`" in page_text(open_page("search", q="nobody"))
    assert "Type a part of a name" in page_text(open_page("search"))


def test_enter_in_the_sidebar_opens_the_results_on_any_page(open_page, stored):
    shown = open_page("repositories")
    shown.sidebar.text_input[0].input("octo ").run()
    assert not shown.exception
    assert shown.query_params["q"] == "octo"
    assert "**Accounts**" in page_text(shown)
    assert shown.sidebar.text_input[0].value == ""
