"""Access to pages: none without a session, and none after it has ended."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.auth import people, sessions
from core.auth.identity import Origin
from core.site_pages import PUBLIC_PATHS, SITE_PAGES
from pages.components import navigation
from pages.session import current, state_keys
from tests.pages.wording import page_text

PATHS = ["account", "repositories", "languages", "scene", "people", "system", "profile_page"]


def page_session_id(shown) -> object:
    return shown.session_state[state_keys.SESSION_KEY]


def is_sign_in_page(shown) -> bool:
    return "Sign in" in [title.value.lstrip("# ") for title in shown.markdown[:1]] or "# Sign in" in page_text(shown)


def test_without_a_session_every_page_is_the_sign_in(visit):
    shown = visit()
    assert is_sign_in_page(shown)
    assert not shown.sidebar.children
    assert not shown.exception
    for path in SITE_PAGES.keys() - PUBLIC_PATHS:
        shown = visit(path)
        assert is_sign_in_page(shown)
        assert not shown.sidebar.children
        assert not shown.exception


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "x" * 5000])
def test_an_invalid_access_cookie_is_no_session(visit, browser, token):
    browser.cookies["almanac_access"] = token
    assert is_sign_in_page(visit())


def test_a_mocked_cookie_is_ignored(visit, monkeypatch):
    """In AppTest cookies are a mock whose every value is true."""
    from unittest.mock import MagicMock

    from streamlit.runtime.context import ContextProxy

    monkeypatch.setattr(ContextProxy, "cookies", MagicMock())
    assert is_sign_in_page(visit())


def test_an_ended_session_signs_out_at_the_next_run_with_the_reason(open_page, reader):
    shown = open_page()
    assert not is_sign_in_page(shown)
    sessions.revoke_all(reader.id, current.SIGNED_OUT_ELSEWHERE)
    shown.run()
    assert is_sign_in_page(shown)
    assert "You were signed out elsewhere" in page_text(shown)
    assert not shown.sidebar.children


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda person: people.change_role("tests", person.id, "admin", Origin()), "Your role was changed"),
        (lambda person: people.set_active("tests", person.id, False, Origin()), "Your account was deactivated"),
    ],
)
def test_a_changed_role_and_a_deactivation_end_the_session(open_page, reader, change, reason):
    shown = open_page("languages")
    change(reader)
    shown.run()
    assert reason in page_text(shown)


def test_an_expired_access_token_shows_nothing_until_renewed(open_page, database, reader):
    shown = open_page("languages")
    late = {"late": datetime.now(UTC) - timedelta(seconds=1), "id": page_session_id(shown)}
    database.execute(text("UPDATE session SET access_expires_at = :late WHERE id = :id"), late)
    sessions.invalidate_cached([page_session_id(shown)])
    shown.run()
    assert "your session is being renewed" in page_text(shown)
    assert "Languages" not in page_text(shown)
    database.execute(text("UPDATE session SET access_expires_at = now() + interval '1 minute'"))
    sessions.invalidate_cached([page_session_id(shown)])
    shown.run()
    assert "No language totals yet" in page_text(shown)


def test_a_refresh_token_alone_is_renewed_before_anything_is_shown(visit, reader, browser):
    del browser.cookies["almanac_access"]
    assert "your session is being renewed" in page_text(visit())


def test_an_analyst_is_refused_admin_pages_with_a_notice(open_page):
    for path in [path for path, page in SITE_PAGES.items() if page.role == "admin"]:
        shown = open_page(path)
        assert "This page is for admins" in page_text(shown)
        assert not shown.exception


def test_an_admin_sees_admin_pages(visit, person, browser):
    browser.sign_in(person("chief", role="admin"))
    shown = visit()
    assert not is_sign_in_page(shown)
    shown = visit("people")
    assert not shown.exception


def test_every_run_is_logged_with_its_person_and_its_own_id(open_page, reader, monkeypatch):
    import structlog

    from core.queries import coverage

    seen = []

    def noted(*args, **kwargs):
        seen.append(structlog.contextvars.get_contextvars())
        return coverage.DataState(None, None)

    monkeypatch.setattr(coverage, "freshness_and_coverage", noted)
    open_page()
    assert seen[0]["user"] == reader.username
    assert seen[0]["request_id"] == "0123456789abcdef"
    assert len(seen[0]["script_run"]) == 8


def test_every_path_is_listed_once():
    paths = [entry.path for entry in navigation.MENU]
    assert len(paths) == len(set(paths))
    assert {"", "profile", "reset", "register", *PATHS[:6]} <= set(paths)
