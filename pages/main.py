import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
import structlog
from streamlit.navigation.page import Page

from core import prometheus
from core.analysis import comparison
from core.as_of import end_of_day
from core.auth import visits
from core.auth.identity import Identity
from core.auth.session_cache import LiveSession
from core.db.data_version import data_version
from core.db.errors import is_server_unavailable, unavailable_node, unavailable_part, unavailable_reason
from core.db.frames import pin_version
from core.errors import BadInput, RateLimitExceeded
from core.linguist import find_language
from core.queries import collections, coverage, system
from core.ratelimit import limiter
from core.site_pages import PUBLIC_PATHS
from core.tracking.login import parse_login, parse_repository
from core.web.middleware.request_ids import new_request_id
from core.wording import time_ago
from pages.components import as_of as components_as_of
from pages.components import (
    error_display,
    navigation,
    page_notebook,
    page_replay,
    query_params,
    remaining_quota,
    search_box,
)
from pages.components.format import day, percent
from pages.components.markdown import escape_markdown
from pages.session import browser, current, guard, url_changes
from pages.session.left_fragments import forget_left_fragments

PAGES_DIR = Path(__file__).parent
# Plus the seconds that a session may be cached: a page shows the sign-in within 5 s after its session ended.
SESSION_CHECK_SECONDS = 3
MAX_NAMED_IN_TAB = 2
DATABASE_CHECK_SECONDS = 5

structlog.contextvars.clear_contextvars()
# A websocket has one request id for many script runs, so each run gets an id of its own as well.
structlog.contextvars.bind_contextvars(
    request_id=str(st.context.headers.get("x-request-id") or "none"), script_run=new_request_id()[:8]
)
# Must precede st.navigation, which otherwise loads the page icon from an external host.
st.set_page_config(page_icon=str(PAGES_DIR / "static" / "favicon.svg"), layout="wide")
st.html(PAGES_DIR / "static" / "page.css")


def compared_names() -> str:
    names = comparison.parse_names(query_params.get_all("with")).names
    return f"{names[0]} and {len(names) - 1} more" if len(names) > MAX_NAMED_IN_TAB else " and ".join(names)


def collection_name() -> str:
    asked = query_params.get("collection").lower()
    return next((name for name in collections.names() if name.lower() == asked), "")


# By page: what returns the subject that its URL names, empty without one. Raises BadInput where it cannot be one.
NAMED_IN_TAB: dict[str, Callable[[], str]] = {
    "account": lambda: parse_login(query_params.get("login")),
    "repository": lambda: parse_repository(query_params.get("name")),
    "languages": lambda: find_language(name) if (name := query_params.get("language")) else "",
    "collections": collection_name,
    "compare": compared_names,
    "search": lambda: query_params.get("q").strip(),
}


@guard.sessionless_fragment(run_every=DATABASE_CHECK_SECONDS)
def wait_for_database(error: Exception, since: float) -> None:
    """Show what of the database is unavailable and reload the page once it is back.

    Not at once: a database that reads but cannot write would reload the page without end.
    """
    st.warning(error_display.waiting_message(error), icon=":material/cloud_off:")
    if time.monotonic() - since < DATABASE_CHECK_SECONDS / 2:
        return
    try:
        data_version()
        if unavailable_node(error) and (cluster := system.cluster_nodes()) and cluster.unavailable:
            return
    except Exception as still:
        if not is_server_unavailable(still):
            raise
    else:
        st.rerun()


@guard.fragment(run_every=SESSION_CHECK_SECONDS, runs_unverified=True)
def watch_session() -> None:
    """Do nothing: the guard of each fragment reruns the page once its session has ended, also without any interaction."""


def show_data_version(version: int) -> None:
    """Show the data version, its last refresh and its coverage."""
    now, as_of = datetime.now(UTC), components_as_of.selected_as_of()
    try:
        data = coverage.freshness_and_coverage(as_of or end_of_day(now.date()))
    except Exception as error:
        if (part := unavailable_part(error)) is None:
            raise
        # Pages that do not need that node go on.
        st.caption(f"Data version {version:,} · {escape_markdown(part)}")
        return
    parts = [f"Data version {version:,}"]
    if data.latest_capture_at is not None:
        refreshed = f"on {day(data.latest_capture_at)}" if as_of else time_ago(data.latest_capture_at, now)
        parts.append(f"last refreshed {refreshed}")
    elif as_of is not None:
        parts.append("nothing had been collected by then")
    if data.coverage is not None:
        parts.append(f"coverage {percent(data.coverage, round_down=True)}")
    st.caption(" · ".join(parts), help=coverage.DEFINITION)


def show_signed_in_person(identity: Identity) -> None:
    """Draw the profile link and the sign-out button at the end of the sidebar."""
    with st.container(horizontal=True, vertical_alignment="center", key="who", gap="xsmall"):
        label = escape_markdown(identity.display_name or identity.username)
        st.page_link("profile_page.py", label=label, icon=":material/account_circle:", help="Profile", width="stretch")
        st.button(
            "Sign out", icon=":material/logout:", type="tertiary", help="Sign out", key="sign-out", on_click=st.logout
        )


def show_sign_in() -> None:
    """Show the sign-in form, under whatever URL was requested."""
    st.html(PAGES_DIR / "static" / "entrance.css")
    page = st.navigation(navigation.signed_out_pages(), position="hidden")
    title = page.title if page.url_path in PUBLIC_PATHS else "Sign in"
    st.set_page_config(page_title=f"{title} · Almanac")
    st.image(PAGES_DIR / "static" / "logo.svg", width=148, alt="Almanac")
    page.run()
    # st.stop keeps widget state and URL, so the requested page is shown after signing in.
    st.stop()


def show_requested_page(live: LiveSession) -> None:
    """Show the requested page, unless the reader's page limit is reached."""
    structlog.contextvars.bind_contextvars(user=live.identity.username, address=current.origin().address)
    st.logo(PAGES_DIR / "static" / "logo.svg", size="large", link=None, icon_image=PAGES_DIR / "static" / "favicon.svg")
    page = st.navigation(navigation.pages_for(live.identity), expanded=True)
    for key, path in current.SHOWN_ONCE_PAGES.items():
        if page.url_path != path:
            st.session_state.pop(key, None)  # forget a one-time secret once its page is left
    url_changes.restore()
    st.set_page_config(page_title=tab_title(page))
    browser.keep_cookies_fresh(live)
    watch_session()
    try:
        quota = limiter.check("pages", str(live.identity.person_id))
    except RateLimitExceeded as exceeded:
        remaining_quota.show_limit_reached(exceeded)
        st.stop()
    last_visit = visits.record_page(live.identity.person_id, datetime.now(UTC))
    st.session_state[current.LAST_VISIT_KEY] = last_visit
    version = data_version()
    pin_version(version)
    with st.sidebar:
        search_box.show_search_box()
        now = datetime.now(UTC)
        components_as_of.as_of_input(page.url_path, now)
        components_as_of.vs_input(page.url_path, now, last_visit)
        show_data_version(version)
        remaining_quota.show_low_remaining(quota)
        show_signed_in_person(live.identity)
    browser.keep_cell_in_view()
    components_as_of.show_refused()
    query_params.show_unreadable()
    with prometheus.measure_page_run(page.url_path or "overview"):
        page_replay.show(page, lambda: draw(page))


def tab_title(page: Page) -> str:
    """Return the title of the browser's tab, with the subject that the URL names."""
    subject = ""
    if page.url_path in NAMED_IN_TAB:
        with suppress(BadInput):
            subject = NAMED_IN_TAB[page.url_path]()
    return " · ".join(filter(None, (subject, page.title, "Almanac")))


def draw(page: Page) -> None:
    """Run *page* and draw the downloads of what it has drawn."""
    page_notebook.start(page.url_path)
    page.run()
    page_notebook.show_downloads(page.title, navigation.PAGES_DIR / navigation.file_of(page.url_path))


with forget_left_fragments():
    try:
        live = current.current_session()
        if current.is_renewal_needed(live):
            st.navigation(navigation.signed_out_pages(), position="hidden")
            browser.renew_cookies()
            st.stop()
        elif live is None:
            show_sign_in()
        else:
            show_requested_page(live)
    except Exception as error:
        if not is_server_unavailable(error):
            raise
        structlog.get_logger().warning("database unavailable", reason=unavailable_reason(error))
        wait_for_database(error, time.monotonic())
        st.stop()
