"""Error messages on pages: one sentence, and the request id under which the log has the details."""

import streamlit as st
import structlog

from core.db.errors import is_server_unavailable, unavailable_part, unavailable_reason
from core.errors import AlmanacError
from pages.components.markdown import code_span, escape_markdown

log = structlog.get_logger()


def lost_message(error: Exception) -> str:
    """Say that the database, or which part of it, became unavailable while the page was loading, as Markdown."""
    what = part_unavailable(error) or "The database became unavailable while this page was loading"
    return f"{what}. No data is lost; try again in a moment."


def waiting_message(error: Exception) -> str:
    """Say that the page waits until the database, or which part of it, is back, as Markdown."""
    what = part_unavailable(error) or "The database is unavailable"
    return f"{what}. No data is lost: this page reloads automatically once the database is back."


def part_unavailable(error: Exception) -> str | None:
    """Say which part of the database does not respond, as Markdown; None where it is not a part."""
    part = unavailable_part(error)
    return f"{escape_markdown(part)}. Pages that do not need it work" if part else None


def show_error(error: Exception) -> bool:
    """Log *error* and show it as a sentence; the result True suppresses Streamlit's own error box."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", "unknown"))
    if is_server_unavailable(error):
        log.warning("database unavailable", reason=unavailable_reason(error))
        st.warning(lost_message(error), icon=":material/cloud_off:")
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
