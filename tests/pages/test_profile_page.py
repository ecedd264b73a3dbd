"""The profile page: identity, sessions, password, API keys, theme and quota."""

from contextlib import nullcontext
from uuid import uuid4

import pytest

from core.auth import api_keys, people, sessions, sign_in
from core.auth.identity import Origin
from core.ratelimit import limiter
from core.settings import settings
from pages.components.devices import device_label
from tests.pages.wording import page_text

PASSWORD = "A passphrase with 1 digit"


@pytest.fixture
def mine(visit, person, browser):
    """The profile page of a person with a password, an e-mail address, and a second session elsewhere."""
    ada = person("ada", password=PASSWORD, display_name="Ada *L*", email="ada@example.org")
    browser.sign_in(ada)
    sessions.start(ada.id, Origin("10.0.0.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"))
    return visit("profile")


def find_button(shown, label):
    return next(each for each in shown.button if each.label == label)


def open_sessions() -> list[sessions.SessionInfo]:
    return sessions.list_active(people.find_by_username("ada").id)


def test_it_shows_the_person_and_their_sessions(mine):
    text = page_text(mine)
    assert not mine.exception
    assert r"Ada \*L\*" in text
    assert "ada\u2060@example\\.org" in text
    assert "Analyst" in text
    assert "**Firefox on Linux**" in text
    assert r"10\.0\.0\.7 · signed in just now" in text
    assert text.count("this session") == 1


def test_one_session_or_all_others_can_be_ended(mine):
    sessions.start(people.find_by_username("ada").id, Origin())
    mine.run()
    find_button(mine, "End").click().run()
    assert len(open_sessions()) == 2
    find_button(mine, "End all others").click().run()
    assert len(open_sessions()) == 1
    assert not mine.exception


def test_signing_out_everywhere_leaves_no_session(mine):
    find_button(mine, "Sign out everywhere").click().run()
    assert open_sessions() == []


def test_a_changed_password_ends_other_sessions_and_a_wrong_one_changes_nothing(mine):
    def change(old: str, new: str) -> None:
        for label, value in (("Old password", old), ("New password", new), ("Repeat new password", new)):
            next(each for each in mine.text_input if each.label == label).set_value(value)
        find_button(mine, "Change password").click().run()

    change("Wrong 1234", "Another passphrase 2")
    assert "The old password is wrong." in page_text(mine)
    assert len(open_sessions()) == 2
    change(PASSWORD, "Another passphrase 2")
    assert "Your password was changed" in page_text(mine)
    assert len(open_sessions()) == 1
    assert sign_in.sign_in("ada", "Another passphrase 2", Origin())


def test_a_key_is_shown_until_copied_and_can_be_revoked(mine):
    next(each for each in mine.text_input if each.label == "Name of a new key").set_value("laptop")
    find_button(mine, "Create key").click().run()
    (code,) = [each.value for each in mine.code]
    assert api_keys.identify(code).username == "ada"
    find_button(mine, "Done").click().run()
    assert not mine.code
    assert code not in repr(mine.session_state)
    assert "used just now" in page_text(mine)
    find_button(mine, "Revoke").click().run()
    assert api_keys.identify(code) is None
    assert "laptop" not in page_text(mine)


@pytest.mark.parametrize(("label", "button"), [("key", "Create key"), ("feed token", "Create feed token")])
def test_a_revoked_key_is_not_offered_for_copying(mine, label, button):
    next(each for each in mine.text_input if each.label == f"Name of a new {label}").set_value("laptop")
    find_button(mine, button).click().run()
    assert mine.code
    find_button(mine, "Revoke").click().run()
    assert not mine.code


def test_a_feed_token_is_shown_once_as_the_url_of_the_feed_and_can_be_revoked(mine):
    next(each for each in mine.text_input if each.label == "Name of a new feed token").set_value("reader")
    find_button(mine, "Create feed token").click().run()
    (url,) = [each.value for each in mine.code]
    assert url.startswith("http://127.0.0.1:8501/api/v1/changes.atom?token=almfeed_")
    token = url.partition("token=")[2]
    assert api_keys.identify(token, kind="feed").username == "ada"
    assert api_keys.identify(token) is None
    find_button(mine, "Done").click().run()
    assert token not in repr(mine.session_state)
    find_button(mine, "Revoke").click().run()
    assert api_keys.identify(token, kind="feed") is None


def test_an_uncopied_key_is_dropped_on_another_page(mine):
    next(each for each in mine.text_input if each.label == "Name of a new key").set_value("laptop")
    find_button(mine, "Create key").click().run()
    mine.switch_page("languages.py").run()
    mine.switch_page("profile_page.py").run()
    assert not mine.code


def test_the_theme_is_stored_with_the_person(mine):
    next(each for each in mine.get("button_group") if each.key == "theme")
    mine.session_state["theme"] = "dark"
    mine.run()
    assert people.find_by_username("ada").preferences == {"theme": "dark"}


def test_remaining_quota_is_shown(mine, monkeypatch):
    bars = str([each.proto.text for each in mine.get("progress")])
    assert "Exports: **10** of 10 left in a minute" in bars
    assert "Reported numbers: **10** of 10 left in an hour" in bars
    assert "Page loads" in bars


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0 Safari/537.36 Edg/141.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/141.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.9", "curl"),
        ("<script>", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_device_label(user_agent, label):
    assert device_label(user_agent) == label


def test_a_reached_limit_replaces_the_page_with_a_notice(open_page, reader, monkeypatch):
    monkeypatch.setenv("LIMIT_PAGES", "20/hour")
    settings.cache_clear()
    limiter.check("pages", str(reader.id), cost=17)
    shown = open_page()
    assert "2 of 20 page loads left" in page_text(shown)
    limiter.check("pages", str(reader.id), cost=2)
    shown.run()
    assert "You have loaded 20 pages within an hour" in page_text(shown)
    assert not shown.exception
    assert not shown.metric


def test_a_refused_export_is_reported_and_not_written(reader, redis, monkeypatch):
    from core.errors import Forbidden
    from pages.components import export

    monkeypatch.setenv("LIMIT_EXPORT", "1/minute")
    settings.cache_clear()
    toasts = []
    monkeypatch.setattr(export.st, "toast", lambda sentence, **_: toasts.append(sentence))
    monkeypatch.setattr(
        export.current, "current_identity", lambda: type("Who", (), {"person_id": reader.id, "session_id": uuid4()})
    )
    permit = export.ExportPermit()
    export.check_export_limit(permit)
    permit.wait_until_allowed()
    assert not toasts
    export.check_export_limit(permit)
    with pytest.raises(Forbidden):
        permit.wait_until_allowed()
    (toast,) = toasts
    assert "You have downloaded 1 export within a minute" in toast


def test_a_file_requested_without_permission_is_refused():
    from core.errors import Forbidden
    from pages.components.export import ExportPermit

    with pytest.raises(Forbidden):
        ExportPermit().wait_until_allowed(timeout_seconds=0.01)


def test_a_decision_that_comes_too_late_is_not_of_the_next_export():
    """Neither a permission, which would go beyond the limit, nor a refusal."""
    from core.errors import Forbidden
    from pages.components.export import ExportPermit

    clock = [0.0]
    permit = ExportPermit(monotonic=lambda: clock[0])
    for late, own in ((uuid4(), None), (None, uuid4())):
        with pytest.raises(Forbidden):
            permit.wait_until_allowed(timeout_seconds=0.01)
        permit.resolve(late)
        clock[0] += 30
        permit.resolve(own)
        with nullcontext() if own else pytest.raises(Forbidden):
            permit.wait_until_allowed(timeout_seconds=0.01)
