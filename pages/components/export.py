"""Taking rows along as a file: each export is counted, and one too many is told instead of sent.

The file is written outside of the script, when the browser asks for it. Whether it may be is decided in the run
that the same click causes, where the reader can be told; who writes waits for that decision.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue

import streamlit as st
from pandas import DataFrame

from core.errors import Forbidden, NotSignedIn, RateLimitExceeded
from core.ratelimit import limiter
from pages.session import current

PERMIT_TIMEOUT_SECONDS = 10.0


class ExportPermit:
    """Permission for one export at a time, handed from the run of the script to the thread that writes."""

    def __init__(self) -> None:
        self._decisions: SimpleQueue[bool] = SimpleQueue()

    def resolve(self, allowed: bool) -> None:
        self._decisions.put(allowed)

    def wait_until_allowed(self, patience_seconds: float = PERMIT_TIMEOUT_SECONDS) -> None:
        """Return once this export is allowed; raises Forbidden when it is not, or nobody decides."""
        try:
            allowed = self._decisions.get(timeout=patience_seconds)
        except Empty:
            allowed = False
        if not allowed:
            raise Forbidden("This export is not allowed now")


def export_button(
    label: str, rows: DataFrame, write: Callable[[DataFrame], bytes], *, key: str, file_name: str, mime: str, icon: str
) -> None:
    """Offer *rows* as a file, which *write* makes once somebody asks: most readers never do."""
    permit: ExportPermit = st.session_state.setdefault(f"permit-{key}", ExportPermit())

    def written() -> bytes:
        permit.wait_until_allowed()
        return write(rows)

    st.download_button(
        label,
        data=written,
        file_name=file_name,
        mime=mime,
        icon=icon,
        type="tertiary",
        on_click=check_export_limit,
        args=(permit,),
        disabled=rows.empty,
        help=f"Download these {len(rows):,} rows as {label}",
        key=key,
    )


def check_export_limit(permit: ExportPermit) -> None:
    """Allow one export to who reads the page, if they have one left; else tell them."""
    try:
        limiter.check("export", str(current.current_identity().person_id))
    except RateLimitExceeded as full:
        permit.resolve(False)
        st.toast(f"{full}.", icon=":material/hourglass_top:", duration="long")
    except NotSignedIn:
        permit.resolve(False)  # the run that follows shows the sign-in
    else:
        permit.resolve(True)
