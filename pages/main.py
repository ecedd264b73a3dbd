from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
import structlog

from core import database
from core.queries import coverage
from core.web.request_ids import new_id
from pages import failure, moment
from pages.words import ago, day, percent

HERE = Path(__file__).parent

structlog.contextvars.clear_contextvars()
# The websocket's id is one for many runs of the script: each has its own beside it.
structlog.contextvars.bind_contextvars(
    request_id=str(st.context.headers.get("x-request-id") or "none"), script_run=new_id()[:8]
)
# Before the navigation, which would else take the page's icon from an outside host.
st.set_page_config(page_icon=str(HERE / "static" / "favicon.svg"), layout="wide")
st.html(HERE / "static" / "page.css")
st.logo(HERE / "static" / "logo.svg", size="large", link=None, icon_image=HERE / "static" / "favicon.svg")

READ = {
    "account": ("Account", ":material/person:"),
    "repositories": ("Repositories", ":material/table_rows:"),
    "languages": ("Languages", ":material/donut_large:"),
    "scene": ("Scene", ":material/location_city:"),
}
page = st.navigation(
    {
        "": [st.Page("overview.py", title="Overview", icon=":material/space_dashboard:", default=True)],
        "Read": [st.Page(f"{name}.py", title=title, icon=icon, url_path=name) for name, (title, icon) in READ.items()],
    }
)

st.set_page_config(page_title=f"{page.title} · Almanac")


@st.fragment(run_every="5s")
def wait_for_database() -> None:
    st.warning(failure.AWAY, icon=":material/cloud_off:")
    try:
        database.data_version()
    except Exception as error:
        if not failure.is_away(error):
            raise
    else:
        st.rerun()


def as_of_choice() -> None:
    """Show the choice of the day that every page is read as of."""
    if given := moment.misread():
        st.warning(f"`{given}` is no date. Write it as 2026-03-31; the pages show now.", icon=":material/event_busy:")
    st.date_input(
        "As of",
        value=None,
        max_value=datetime.now(UTC).date(),
        min_value=moment.FIRST,
        key=moment.KEY,
        bind="query-params",
        format="YYYY-MM-DD",
        help="Read every page as it was at the end of a day (UTC). Empty means now.",
    )


def data_line() -> None:
    """Tell which data the pages show, how old they are and how complete."""
    now, as_of = datetime.now(UTC), moment.as_of()
    told = coverage.data_state(as_of or moment.end_of(now.date()), in_the_past=as_of is not None)
    parts = [f"Data version {version:,}"]
    if told["newest_look"] is not None:
        newest = f"on {day(told['newest_look'])}" if as_of else ago(told["newest_look"], now)
        parts.append(f"newest look {newest}")
    if told["coverage"] is not None:
        parts.append(f"coverage {percent(told['coverage'])}")
    st.caption(" · ".join(parts), help=coverage.DEFINITION)


try:
    version = database.data_version()
except Exception as error:
    if not failure.is_away(error):
        raise
    structlog.get_logger().warning("database away", error=type(error).__name__)
    wait_for_database()
else:
    database.pin_version(version)
    with st.sidebar:
        as_of_choice()
        data_line()
    page.run()
