"""Error messages on pages: one sentence, and the request id under which the log has the details."""

import streamlit as st
import structlog

from core.db.errors import is_server_unavailable, unavailable_reason
from core.errors import AlmanacError
from pages.components.markdown import code_span, escape_markdown

log = structlog.get_logger()
DATABASE_LOST_MESSAGE = (
    "The database became unavailable while this page was loading. No data is lost; try again in a moment."
)
DATABASE_UNAVAILABLE_MESSAGE = (
    "The database is unavailable. No data is lost: this page reloads automatically once the database is back."
)


def show_error(error: Exception) -> bool:
    """Log *error* and show it as a sentence; the result True suppresses Streamlit's own error box."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", "unknown"))
    if is_server_unavailable(error):
        log.warning("database unavailable", reason=unavailable_reason(error))
        st.warning(DATABASE_LOST_MESSAGE, icon=":material/cloud_off:")
        return True
    if isinstance(error, AlmanacError):
        log.warning("page refused", error=str(error), code=error.code)
        st.warning(f"{escape_markdown(str(error))}.", icon=":material/info:")
        return True
    log.error("page failed", exc_info=error)
    st.error(
        "This part of the page failed. The error has been logged; reloading may help.  \n"
        f":gray[To report it, quote the request id] {code_span(request_id)}.",
        icon=":material/error:",
    )
    return True
