"""Asking for an account that is not tracked: the button, what happens next, and how far it is until it shows."""

from datetime import UTC, datetime

import streamlit as st

from core.auth.identity import Identity
from core.db.data_version import data_version
from core.db.engine import transaction
from core.queries import system, tracking
from core.queries.tracking import TrackingStatus
from core.ratelimit import limiter
from core.settings import settings
from core.tracking import commands as tracking_commands
from core.tracking.login import parse_login
from core.wording import time_ago
from pages.components.markdown import escape_markdown
from pages.components.status_cards import query_or_reason
from pages.session import current
from pages.session.common import errors_as_notices

RERUN_EVERY = "1s"


def is_auto_approved(reader: Identity) -> bool:
    """Whether what *reader* asks for is tracked at once."""
    return reader.is_admin or not settings().track_approval


def show_tracking_status(login: str, standing: TrackingStatus) -> None:
    """Let the reader ask for an account that nobody has asked for, or say what became of asking."""
    if standing.is_tracked:
        show_first_refresh_progress(login, data_version())
    elif standing.requested_at is not None:
        now = datetime.now(UTC)
        st.info(
            f"**{escape_markdown(login)}** was asked for {time_ago(standing.requested_at, now)}. An admin decides; it shows here then.",
            icon=":material/how_to_vote:",
        )
    else:
        show_track_button(login)


def show_track_button(login: str) -> None:
    reader = current.current_identity()
    alone = is_auto_approved(reader)
    st.button(
        "Track it" if alone else "Ask for it", type="primary", icon=":material/bookmark_add:",
        on_click=request_tracking, args=(login,), key="ask-for-it",
    )  # fmt: skip
    st.caption(
        "GitHub is asked at once, and the account shows here as soon as it is stored; from then on its history is kept."
        if alone
        else "An admin decides whether it is tracked; once it is, GitHub is asked at once and the account shows here."
    )


def request_tracking(login: str) -> bool:
    """Ask in the reader's name; False where that was refused, which is told."""
    reader = current.current_identity()
    with errors_as_notices():
        name = parse_login(login)
        limiter.check("track", str(reader.person_id))
        with transaction() as connection:
            tracking_commands.request_tracking(connection, reader, [name], datetime.now(UTC), current.origin())
        return True
    return False


def show_track_form() -> None:
    """A login to ask for; its page then tells how far it is."""
    alone = is_auto_approved(current.current_identity())
    with (
        st.form("ask-for", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        login = st.text_input("Account on GitHub", placeholder="octocat", width=260, max_chars=200)
        if st.form_submit_button("Track it" if alone else "Ask for it", type="primary", icon=":material/bookmark_add:"):
            asked = request_tracking(login)
            if asked:
                st.switch_page("account.py", query_params={"login": parse_login(login)})


@st.fragment(run_every=RERUN_EVERY)
def show_first_refresh_progress(login: str, version: int) -> None:
    """How far the first look is; the page runs again once what it stored is published."""
    current.current_identity()
    now = datetime.now(UTC)
    standing = tracking.tracking_status(login)
    if not standing.is_tracked:
        st.rerun()
    if standing.account_id is None:
        return
    told = tracking.refresh_progress(standing.account_id)
    if told.checked_at is not None and data_version() != version:
        st.rerun()
    name = f"**{escape_markdown(login)}**"
    if told.gone_at is not None:
        st.warning(f"GitHub has no account called {name}.", icon=":material/person_off:")
    elif told.checked_at is not None:
        st.info(f"{name} is stored; its page comes in a moment …", icon=":material/check_circle:")
    elif told.paused:
        st.info(f"Tracking {name} is paused.", icon=":material/pause_circle:")
    elif told.is_running:
        st.info(f"GitHub is being asked for {name} …", icon=":material/sync:")
    elif told.item_state == "failed":
        why = told.error or "the log says why"
        st.warning(f"{name} could not be read: {why}. It is tried again by itself.", icon=":material/history:")
    else:
        st.info(
            f"{name} is tracked and waits for its first look. {waiting_reason(now)}", icon=":material/hourglass_top:"
        )


def waiting_reason(now: datetime) -> str:
    """Why the first look takes its time."""
    told, _ = query_or_reason(lambda: system.worker_counts(now))
    if told is not None and not told.alive:
        return "No worker is alive; it begins when one is."
    return "It shows here by itself."
