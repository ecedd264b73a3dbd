"""A single-use link with its expiry, shown once to be copied."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from core.settings import settings


def show_one_time_link(path: str, secret: str, lasts: timedelta) -> None:
    """Show the link that redeems *secret*. The secret follows the #, so no server and no log receives it."""
    st.code(f"{settings().base_url}/{path}#{secret}", language=None, wrap_lines=True)
    expires_at = datetime.now(UTC) + lasts
    st.caption(
        f":material/schedule: Valid until {expires_at:%Y-%m-%d %H:%M} UTC. "
        "Copy it now: it is not stored and cannot be shown again."
    )
