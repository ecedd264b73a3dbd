"""
# Profile
Your sessions, password, API keys, feed tokens, theme and remaining quota.
"""

from datetime import UTC, datetime, timedelta

import streamlit as st

from core import wording
from core.auth import api_keys, people, sessions, sign_in
from core.auth.api_keys import ApiKeyInfo
from core.auth.identity import Identity
from core.auth.people import Person
from core.auth.sessions import SessionInfo
from core.ratelimit import limiter
from core.settings import settings
from core.web.route_access import FEED_PATH, FEED_TOKEN_PARAM
from core.wording import time_ago
from pages.components import remaining_quota
from pages.components.devices import device_label
from pages.components.format import day
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.session import browser, current, form_fields
from pages.session.forms import PASSWORD_RULES

THEME_LABELS = {"system": "System", "light": "Light", "dark": "Dark"}
KEY_LIFETIMES = {"30 days": 30, "90 days": 90, "a year": 365, "never": None}
DEFAULT_LIFETIMES: dict[api_keys.Kind, int] = {"api": 1, "feed": 3}
MAX_SESSIONS = 5
LIMIT_LABELS: dict[limiter.LimitKind, str] = {
    "pages": "Page loads",
    "api": "API requests",
    "track": "Accounts to track",
    "export": "Exports",
    "report": "Reported numbers",
}


def show_person(person: Person) -> None:
    parts = [
        f"**{escape_markdown(person.username)}**",
        person.role.capitalize(),
        f"member since {day(person.created_at)}",
    ]
    if person.display_name:
        parts.insert(0, f"**{escape_markdown(person.display_name)}**")
    if person.email:
        parts.insert(-1, escape_markdown(person.email))
    st.markdown(" · ".join(parts))


def password_form(identity: Identity) -> None:
    with st.form("password", clear_on_submit=True):
        old = st.text_input("Old password", type="password", autocomplete="current-password")
        left, right = st.columns(2)
        new = left.text_input("New password", type="password", autocomplete="new-password", help=PASSWORD_RULES)
        repeated = right.text_input("Repeat new password", type="password", autocomplete="new-password")
        form_fields.annotate_fields({}, rules_for="New password")
        is_submitted = st.form_submit_button("Change password")
    if is_submitted:
        with errors_as_notices():
            form_fields.check_passwords_match(new, repeated)
            sign_in.change_password(identity, old, new, current.origin(), keep_session=identity.session_id)
            st.success("Your password was changed. All other sessions have ended.", icon=":material/check:")


def show_sessions(identity: Identity) -> None:
    """List the person's sessions, each with a button to end it."""
    now = datetime.now(UTC)
    open_sessions = sessions.list_active(identity.person_id)
    for row in open_sessions[:MAX_SESSIONS]:
        show_session(identity, row, now)
    if others := open_sessions[MAX_SESSIONS:]:
        with st.expander(f"{len(others):,} more"):
            for row in others:
                show_session(identity, row, now)
    if len(open_sessions) > 1 and st.button("End all others", icon=":material/logout:", key="end-others"):
        sessions.revoke_all(
            identity.person_id, current.SIGNED_OUT_ELSEWHERE, keep=identity.session_id, origin=current.origin()
        )
        st.rerun()


def show_session(identity: Identity, row: SessionInfo, now: datetime) -> None:
    is_this = row.id == identity.session_id
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"session-{row.id}"):
        with st.container(gap=None):
            st.markdown(f"**{device_label(row.user_agent)}**" + (" :green-badge[this session]" if is_this else ""))
            st.caption(
                f"{escape_markdown(row.ip_address or 'unknown IP address')} · signed in {time_ago(row.created_at, now)}"
                f" · last seen {time_ago(row.last_seen_at, now)}"
            )
        if not is_this and st.button("End", key=f"end-{row.id}", icon=":material/logout:"):
            sessions.revoke(row.id, current.SIGNED_OUT_ELSEWHERE, person_id=identity.person_id, origin=current.origin())
            st.rerun()


def show_keys(identity: Identity, kind: api_keys.Kind) -> None:
    """List the keys of a kind and offer to create one; a new key is shown once, a feed token as the feed's URL."""
    noun, shown_once = api_keys.NOUNS[kind], current.SHOWN_ONCE_KEYS[kind]
    rows = api_keys.list_active(identity.person_id, kind=kind)
    key = st.session_state.get(shown_once)
    if key and any(key.endswith(row.hint) for row in rows):
        with st.container(border=True):
            st.markdown(f"**Your new {noun}.** Copy it now: it will not be shown again.")
            st.code(
                f"{settings().base_url}{FEED_PATH}?{FEED_TOKEN_PARAM}={key}" if kind == "feed" else key, language=None
            )
            if st.button("Done", key=f"{kind}-copied", icon=":material/check:"):
                del st.session_state[shown_once]
                st.rerun()
    now = datetime.now(UTC)
    for row in rows:
        show_key(identity, row, kind, now)
    # A new key changes the form's key, which empties it; after a refusal the text stays.
    with st.form(f"new-{kind}-{len(rows)}"):
        left, right = st.columns([3, 2])
        name = left.text_input(
            f"Name of a new {noun.removeprefix('API ')}", placeholder="Where it is used", autocomplete="off"
        )
        lifetime = right.selectbox(
            "Expires after", list(KEY_LIFETIMES), index=DEFAULT_LIFETIMES[kind], key=f"days-{kind}"
        )
        if st.form_submit_button(f"Create {noun.removeprefix('API ')}", icon=":material/key:"):
            with errors_as_notices():
                _, st.session_state[shown_once] = api_keys.create(
                    identity, name, KEY_LIFETIMES[lifetime], current.origin(), kind=kind
                )
                st.rerun()


def show_key(identity: Identity, row: ApiKeyInfo, kind: api_keys.Kind, now: datetime) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"key-{row.id}"):
        with st.container(gap=None):
            st.markdown(f"**{escape_markdown(row.name)}** · `…{row.hint}`")
            used = f"used {time_ago(row.last_used_at, now)}" if row.last_used_at else "never used"
            until = f"expires {day(row.expires_at)}" if row.expires_at else "never expires"
            st.caption(f"created {day(row.created_at)} · {used} · {until}")
        if st.button("Revoke", key=f"revoke-{row.id}", icon=":material/key_off:"):
            with errors_as_notices():
                api_keys.revoke(identity, row.id, current.origin(), kind=kind)
            st.rerun()


def theme_choice(identity: Identity) -> None:
    """Let the reader choose a theme, which is stored with the person."""
    stored = browser.preferred_theme(identity) or "system"
    chosen = st.segmented_control(
        "Theme",
        list(THEME_LABELS),
        default=stored,
        format_func=THEME_LABELS.__getitem__,
        required=True,
        key="theme",
        label_visibility="collapsed",
    )
    if chosen and chosen != stored:
        people.set_preferences(identity.person_id, theme=chosen)
        browser.apply_theme(chosen)
    st.caption("Stored with your account; other devices use it when you sign in there.")


def show_remaining_quota(identity: Identity) -> None:
    """Show what is left of each limit, and when it resets."""
    for state in remaining_quota.limit_states(identity.person_id):
        resets = "" if state.remaining == state.amount else f" · resets at {state.resets_at:%H:%M:%S} UTC"
        window = wording.window(timedelta(seconds=state.window_seconds))
        st.progress(
            min(1.0, state.remaining / state.amount),
            text=f"{LIMIT_LABELS[state.kind]}: **{state.remaining:,}** of {state.amount:,} left in {window}{resets}",
        )


def sign_out_buttons(identity: Identity) -> None:
    with st.container(horizontal=True):
        st.button("Sign out", icon=":material/logout:", key="leave", on_click=st.logout)
        if st.button("Sign out everywhere", icon=":material/devices_off:", key="leave-everywhere"):
            sessions.revoke_all(identity.person_id, current.SIGNED_OUT_ELSEWHERE, origin=current.origin())
            st.logout()


identity = current.require_identity()
show_person(people.get(identity.person_id))

"## Sessions"
show_sessions(identity)
sign_out_buttons(identity)

"## Password"
password_form(identity)

"## API keys"
st.caption("For programs: `Authorization: Bearer alm_…`. A key has the same permissions as you.")
show_keys(identity, "api")

"## Feed tokens"
st.caption(
    "For readers of feeds, which send no headers: a token in the URL reads the Atom feed of changes and nothing else. "
    "Add filters of the page Changes to the URL, such as `&account=octocat&kind=renamed`."
)
show_keys(identity, "feed")

"## Theme"
theme_choice(identity)

"## Remaining quota"
show_remaining_quota(identity)
