"""Track an account that is not tracked yet, or request it, and show progress until its page appears."""

from datetime import UTC, datetime

import streamlit as st

from core.auth.identity import Identity
from core.db.data_version import data_version
from core.db.engine import transaction, write_rows
from core.queries import system, tracking
from core.queries.tracking import TrackingStatus
from core.queue.lookups import Lookup
from core.ratelimit import limiter
from core.settings import settings
from core.tracking import commands as tracking_commands
from core.tracking import first_lookup
from core.tracking.login import parse_login
from core.wording import time_ago
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.components.status_cards import query_or_reason
from pages.session import current, guard

RERUN_EVERY = "1s"


def is_auto_approved(identity: Identity) -> bool:
    """Return whether a tracking request of *identity* needs no approval."""
    return identity.is_admin or not settings().track_approval


def show_tracking_status(login: str, status: TrackingStatus, repository: str = "") -> None:
    """Show the first refresh's progress, the pending request, or else the button to track *login*.

    repository  short name of the repository whose page this is, empty on the account's page
    """
    if status.is_tracked:
        show_first_refresh_progress(login, data_version())
    elif status.requested_at is None and (lookup := find_answer(login)):
        show_lookup(login, lookup, repository)
    else:
        show_request(login, status, repository)


def show_request(login: str, status: TrackingStatus, repository: str = "") -> None:
    """Show the pending request for *login*, or for its *repository* alone, or else the button to track it."""
    if status.requested_at is None:
        show_track_button(login, repository)
        return
    name = escape_markdown(f"{login}/{repository}" if repository else login)
    when = time_ago(status.requested_at, datetime.now(UTC))
    st.info(
        f"**{name}** was requested {when}. It shows here once an admin has approved it.",
        icon=":material/how_to_vote:",
    )


def find_answer(login: str) -> Lookup | None:
    with transaction() as connection:
        return first_lookup.unresolved(connection, login)


def show_lookup(login: str, lookup: Lookup, repository: str) -> None:
    """Show what GitHub answered about a login that is not stored, or that it is being asked."""
    name = f"**{escape_markdown(login)}**"
    if lookup.is_under_way:
        show_lookup_progress(login)
    elif present := first_lookup.renamed_to(lookup.result):
        st.info(f"{name} is now called **{escape_markdown(present)}**.", icon=":material/badge:")
        page, opened = (
            ("repository.py", {"name": f"{present}/{repository}"}) if repository else ("account.py", {"login": present})
        )
        st.page_link(page, label="Open it", icon=":material/arrow_forward:", query_params=opened)
    else:
        st.warning(f"GitHub has no account called {name}.", icon=":material/person_off:")


@guard.fragment(run_every=RERUN_EVERY)
def show_lookup_progress(login: str) -> None:
    """Say that GitHub is being asked; runs the page again once it has answered."""
    current.current_identity()
    lookup = find_answer(login)
    if lookup is None or not lookup.is_under_way:
        st.rerun()
    st.info(
        f"**{escape_markdown(login)}** is being checked at GitHub. {waiting_reason(datetime.now(UTC))}",
        icon=":material/search:",
    )


def show_track_button(login: str, repository: str = "") -> None:
    """Draw the button that tracks the account, and on the page of a repository another one for that alone."""
    is_approved = is_auto_approved(current.current_identity())
    with st.container(horizontal=True, gap="small"):
        st.button(
            track_label(is_approved), type="primary", icon=":material/bookmark_add:",
            on_click=track_on_click, args=(login,), key="ask-for-it",
            help="The account with all its public repositories" if repository else None,
        )  # fmt: skip
        if repository:
            st.button(
                f"{track_label(is_approved)}, this repository alone", icon=":material/bookmark:",
                on_click=track_on_click, args=(login, repository), key="ask-for-it-alone",
                help="The account is refreshed, and only this one of its repositories is stored",
            )  # fmt: skip
    st.caption(
        "It is fetched from GitHub now and shows here once it is stored; its history is kept from then on."
        if is_approved
        else "An admin decides whether it is tracked. After approval it is fetched from GitHub and shows here."
    )


@guard.callback()
def track_on_click(login: str, repository: str = "") -> None:
    request_tracking(login, repository)


def track_label(is_approved: bool) -> str:
    return "Track it" if is_approved else "Request tracking"


def request_tracking(login: str, repository: str = "") -> bool:
    """Send a tracking request as the reader, for *repository* alone if given. Returns False, with a notice, where it was refused."""
    identity = current.current_identity()
    with errors_as_notices():
        name = parse_login(login)
        limiter.check("track", str(identity.person_id))
        origin, now = current.origin(), datetime.now(UTC)
        with transaction() as connection:  # once: Redis has the lookup even where this is rolled back
            lookup = first_lookup.start(connection, identity, name, origin, repository)
        if lookup is None:
            write_rows(
                lambda connection: tracking_commands.request_tracking(
                    connection, identity, [name], now, origin, repository=repository
                )
            )
        return True
    return False


def show_track_form() -> None:
    """Draw a form to request a login; its account page then shows the progress."""
    is_approved = is_auto_approved(current.current_identity())
    with (
        st.form("ask-for", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        login = st.text_input("Account on GitHub", placeholder="octocat", width=260, max_chars=200)
        is_submitted = st.form_submit_button(track_label(is_approved), type="primary", icon=":material/bookmark_add:")
        if is_submitted and request_tracking(login):
            st.switch_page("account.py", query_params={"login": parse_login(login)})


@guard.fragment(run_every=RERUN_EVERY)
def show_first_refresh_progress(login: str, version: int) -> None:
    """Show how far the first refresh is; runs the page again once a data version after *version* has its result."""
    current.current_identity()
    now = datetime.now(UTC)
    status = tracking.tracking_status(login)
    if not status.is_tracked:
        st.rerun()
    if status.account_id is None:
        return
    progress = tracking.refresh_progress(status.account_id)
    if progress.checked_at is not None and data_version() != version:
        st.rerun()
    name = f"**{escape_markdown(login)}**"
    if progress.gone_at is not None:
        st.warning(f"GitHub has no account called {name}.", icon=":material/person_off:")
    elif progress.checked_at is not None:
        st.info(f"{name} is stored; its page appears in a moment …", icon=":material/check_circle:")
    elif progress.paused:
        st.info(f"Tracking of {name} is paused.", icon=":material/pause_circle:")
    elif progress.is_running:
        st.info(f"{name} is being fetched from GitHub …", icon=":material/sync:")
    elif progress.item_state == "failed":
        reason = escape_markdown(progress.error or "see the log")
        st.warning(f"{name} could not be refreshed: {reason}. It is retried automatically.", icon=":material/history:")
    else:
        st.info(
            f"{name} is tracked and waits for its first refresh. {waiting_reason(now)}",
            icon=":material/hourglass_top:",
        )


def waiting_reason(now: datetime) -> str:
    """Return why the first refresh has not started, or what happens next."""
    workers, _ = query_or_reason(lambda: system.worker_counts(now))
    if workers is not None and not workers.alive:
        return "No worker is running; it starts when one is."
    return "It appears here automatically."
