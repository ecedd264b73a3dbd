"""Record that the page of an account or repository was opened: enrichment fetches its facts first."""

from datetime import UTC, datetime

import streamlit as st
import structlog
from sqlalchemy.exc import DBAPIError

from core.db.engine import write_rows
from core.queue import page_opens

log = structlog.get_logger()
SESSION_KEY = "page-opened"


def record_open(subject: page_opens.Subject, subject_id: int) -> None:
    """Record it once per session and page, without who opened it; no page fails because that is impossible now."""
    if st.session_state.get(SESSION_KEY) == (subject, subject_id):
        return
    try:
        write_rows(lambda connection: page_opens.record_open(connection, subject, subject_id, datetime.now(UTC)))
    except DBAPIError as error:
        log.info("opened page not recorded", subject=subject, error=type(error).__name__)
    else:
        st.session_state[SESSION_KEY] = (subject, subject_id)
