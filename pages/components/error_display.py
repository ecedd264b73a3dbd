"""What a reader sees when a page fails: a calm sentence and the id under which the log has the rest."""

import streamlit as st
import structlog

from core.db.errors import is_server_unavailable
from core.errors import AlmanacError

log = structlog.get_logger()
DATABASE_LOST_MESSAGE = (
    "The database stopped answering while this page was read. Nothing is lost; try again in a moment."
)
DATABASE_UNAVAILABLE_MESSAGE = (
    "The database does not answer right now. Nothing is lost: this page comes back by itself as soon as it does."
)


def show_error(error: Exception) -> bool:
    """Tell the reader and the log; Streamlit's own red box stays away."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", "unknown"))
    if is_server_unavailable(error):
        log.warning("database away", error=type(error).__name__)
        st.warning(DATABASE_LOST_MESSAGE, icon=":material/cloud_off:")
        return True
    if isinstance(error, AlmanacError):
        log.warning("page refused", error=str(error), code=error.code)
        st.warning(f"{error}.", icon=":material/info:")
        return True
    log.error("page failed", exc_info=error)
    st.error(
        "This part of the page could not be shown. It has been logged; reloading may help.  \n"
        f":gray[If you report it, name the request] `{request_id}`.",
        icon=":material/error:",
    )
    return True
