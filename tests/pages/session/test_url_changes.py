"""What a reader entered stays where the browser's URL is behind, and where no session holds."""

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    from pages.components import query_params
    from pages.session import url_changes

    url_changes.restore()
    for key in ("search", "owner"):
        query_params.text_input(key, key=key)


@pytest.fixture
def shown():
    return AppTest.from_function(page, default_timeout=60).run()


def enter(shown, key, text, **url):
    """Enter *text* while the browser still has *url*."""
    shown.query_params.clear()
    for name, value in url.items():
        shown.query_params[name] = value
    shown.text_input(key=key).set_value(text).run()


def entered(shown):
    return [box.value for box in shown.text_input]


def in_url(shown):
    return {name: "".join(value) for name, value in shown.query_params.items()}


def test_a_second_field_keeps_what_was_typed_into_the_first(shown):
    enter(shown, "search", "hubot")
    enter(shown, "owner", "octo")
    assert entered(shown) == ["hubot", "octo"]
    assert in_url(shown) == {"search": "hubot", "owner": "octo"}


def test_a_browser_that_is_two_changes_behind_is_caught_up(shown):
    enter(shown, "search", "h")
    enter(shown, "search", "hubot")
    enter(shown, "owner", "octo", search="h")
    assert entered(shown) == ["hubot", "octo"]


def test_an_emptied_field_stays_empty(shown):
    enter(shown, "search", "hubot")
    enter(shown, "search", "", search="hubot")
    enter(shown, "owner", "octo", search="hubot")
    assert entered(shown) == ["", "octo"]
    assert in_url(shown) == {"owner": "octo"}


def test_a_link_counts_once_the_browser_has_reported_the_change(shown):
    enter(shown, "search", "hubot")
    shown.run()
    del shown.query_params["search"]
    shown.run()
    assert entered(shown) == ["", ""]


def test_a_link_to_anything_else_counts_at_once(shown):
    enter(shown, "search", "hubot")
    enter(shown, "owner", "octo", search="mona")
    assert entered(shown) == ["mona", "octo"]
