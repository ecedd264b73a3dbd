"""The dialog that reports a number to the admins."""

from datetime import UTC, datetime

import streamlit as st

from core import number_reports
from core.db.engine import transaction
from core.number_reports import DoubtedCell
from core.ratelimit import limiter
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.session import current, guard


@guard.dialog("Report this number")
def show_dialog(cell: DoubtedCell) -> None:
    """Ask what is wrong with the numbers of *cell* and send the answer with its query, values and rows."""
    st.markdown(f"**{cell.question}**")
    st.caption(f"Admins get the query, its values and the first rows of the cell as you see it ({cell.note}).")
    with st.form("report", border=False):
        comment = st.text_area(
            "What is wrong?",
            max_chars=number_reports.MAX_COMMENT_LENGTH,
            placeholder="GitHub shows 1,240 stars for this day.",
            key="report-comment",
        )
        is_sent = st.form_submit_button("Send", type="primary", icon=":material/flag:")
    if is_sent and send(cell, comment):
        st.rerun()


def send(cell: DoubtedCell, comment: str) -> bool:
    """Store the report. Returns False, with a notice, where it was refused."""
    identity = current.current_identity()
    with errors_as_notices():
        number_reports.check_comment(comment)
        limiter.check("report", str(identity.person_id))
        with transaction() as connection:
            number = number_reports.submit(connection, identity, cell, comment, datetime.now(UTC), current.origin())
        st.toast(escape_markdown(f"Report {number} is with the admins"), icon=":material/flag:")
        return True
    return False
