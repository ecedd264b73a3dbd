"""A link that is good once: shown once, to be copied, with the moment at which it ends."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from core.settings import settings


def show_one_time_link(path: str, secret: str, lasts: timedelta) -> None:
    """Show the link under which *secret* is redeemed. It is behind the #, so that no server and no log hears of it."""
    st.code(f"{settings().address}/{path}#{secret}", language=None, wrap_lines=True)
    ends = datetime.now(UTC) + lasts
    st.caption(
        f":material/schedule: Good until {ends:%Y-%m-%d %H:%M} UTC. Copy it now: it is not kept, and not shown again."
    )
