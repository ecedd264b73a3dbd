from datetime import UTC, datetime, timedelta
from pathlib import Path

import streamlit as st
import structlog

from core import prometheus
from core.auth.identity import Identity
from core.auth.sessions import Live
from core.db.data_version import data_version
from core.db.frames import pin_version
from core.errors import TooMany
from core.queries import coverage
from core.ratelimit import limiter
from core.web.middleware.request_ids import new_id
from pages.components import as_of as components_as_of
from pages.components import error_display, navigation, remaining_quota
from pages.components.format import ago, day, percent
from pages.session import browser, common, current

HERE = Path(__file__).parent
WATCH_SECONDS = 8
# The browser renews in time; a tick that comes before it has had its turn takes nothing off the page.
LATE = timedelta(seconds=20)

structlog.contextvars.clear_contextvars()
# The websocket's id is one for many runs of the script: each has its own beside it.
structlog.contextvars.bind_contextvars(
    request_id=str(st.context.headers.get("x-request-id") or "none"), script_run=new_id()[:8]
)
# Before the navigation, which would else take the page's icon from an outside host.
st.set_page_config(page_icon=str(HERE / "static" / "favicon.svg"), layout="wide")
st.html(HERE / "static" / "page.css")


@st.fragment(run_every="5s")
def wait_for_database() -> None:
    st.warning(error_display.AWAY, icon=":material/cloud_off:")
    try:
        data_version()
    except Exception as error:
        if not error_display.is_away(error):
            raise
    else:
        st.rerun()


@st.fragment(run_every=WATCH_SECONDS)
def watch_session() -> None:
    """Take the page away soon after its session has ended, also where nobody touches it."""
    try:
        live = current.held()
    except Exception as error:
        if not error_display.is_away(error):
            raise
        return
    if live is None or live.access_until + LATE < datetime.now(UTC):
        st.rerun()


def as_of_choice() -> None:
    """Show the choice of the day that every page is read as of."""
    if given := components_as_of.misread():
        st.warning(f"`{given}` is no date. Write it as 2026-03-31; the pages show now.", icon=":material/event_busy:")
    st.date_input(
        "As of",
        value=None,
        max_value=datetime.now(UTC).date(),
        min_value=components_as_of.FIRST,
        key=components_as_of.KEY,
        bind="query-params",
        format="YYYY-MM-DD",
        help="Read every page as it was at the end of a day (UTC). Empty means now.",
    )


def data_line(version: int) -> None:
    """Tell which data the pages show, how old they are and how complete."""
    now, as_of = datetime.now(UTC), components_as_of.as_of()
    told = coverage.data_state(as_of or components_as_of.end_of(now.date()), in_the_past=as_of is not None)
    parts = [f"Data version {version:,}"]
    if told["newest_look"] is not None:
        newest = f"on {day(told['newest_look'])}" if as_of else ago(told["newest_look"], now)
        parts.append(f"newest look {newest}")
    if told["coverage"] is not None:
        parts.append(f"coverage {percent(told['coverage'])}")
    st.caption(" · ".join(parts), help=coverage.DEFINITION)


def who_reads(identity: Identity) -> None:
    """Show at the end of the sidebar who is signed in, and the way out."""
    with st.container(horizontal=True, vertical_alignment="center", key="who", gap="xsmall"):
        label = common.plain(identity.display_name or identity.username)
        st.page_link("profile_page.py", label=label, icon=":material/account_circle:", help="Profile", width="stretch")
        st.button(
            "Sign out", icon=":material/logout:", type="tertiary", help="Sign out", key="sign-out", on_click=st.logout
        )


def without_session() -> None:
    """Show the sign-in, under whatever address was asked for."""
    st.html(HERE / "static" / "entrance.css")
    page = st.navigation(navigation.for_nobody(), position="hidden")
    title = page.title if page.url_path in navigation.BEFORE_A_SESSION else "Sign in"
    st.set_page_config(page_title=f"{title} · Almanac")
    st.image(HERE / "static" / "logo.svg", width=148)
    page.run()
    # What the page before held stays, and the address with it: it is shown again after signing in.
    st.stop()


def for_reader(live: Live) -> None:
    """Show the page asked for, as often as its reader may."""
    structlog.contextvars.bind_contextvars(user=live.identity.person_id)
    st.logo(HERE / "static" / "logo.svg", size="large", link=None, icon_image=HERE / "static" / "favicon.svg")
    page = st.navigation(navigation.for_reader(live.identity))
    st.set_page_config(page_title=f"{page.title} · Almanac")
    for key, place in current.SHOWN_ONCE_ON.items():
        if page.url_path != place:
            st.session_state.pop(key, None)  # a key that was left there is not kept for later
    browser.keep(live)
    watch_session()
    try:
        left = limiter.check("pages", str(live.identity.person_id))
    except TooMany as full:
        remaining_quota.pause(full)
        st.stop()
    version = data_version()
    pin_version(version)
    with st.sidebar:
        as_of_choice()
        data_line(version)
        remaining_quota.note(left)
        who_reads(live.identity)
    with prometheus.page_run(page.url_path or "overview"):
        page.run()


try:
    live = current.held()
    if current.to_be_renewed(live):
        st.navigation(navigation.for_nobody(), position="hidden")
        browser.renew(live)
        st.stop()
    elif live is None:
        without_session()
    else:
        for_reader(live)
except Exception as error:
    if not error_display.is_away(error):
        raise
    structlog.get_logger().warning("database away", error=type(error).__name__)
    wait_for_database()
    st.stop()
