"""Remaining quota of a reader: a note when a limit is nearly reached, a countdown when it is reached."""

from datetime import UTC, datetime

import streamlit as st

from core.errors import RateLimitExceeded
from core.ratelimit import limiter
from core.ratelimit.limiter import LimitState
from pages.session import browser

LOW_REMAINING_SHARE = 0.15
COUNTDOWN_CSS = "span { font: 0.9rem var(--st-font); color: var(--st-text-color); font-variant-numeric: tabular-nums; }"


def is_running_low(state: LimitState) -> bool:
    return state.is_limited and state.remaining < LOW_REMAINING_SHARE * state.amount


def show_low_remaining(state: LimitState) -> None:
    """Show how many page loads remain when few do."""
    if is_running_low(state):
        st.caption(
            f":material/hourglass_bottom: {state.remaining:,} of {state.amount:,} page loads left; "
            f"the limit resets at {state.resets_at:%H:%M:%S} UTC."
        )


def show_limit_reached(exceeded: RateLimitExceeded, *, resumes_automatically: bool = True) -> None:
    """Show which limit is reached and count down to its reset, then rerun the page if *resumes_automatically*."""
    st.warning(f"{exceeded}.", icon=":material/hourglass_top:")
    seconds_left = max(0.0, (exceeded.resets_at - datetime.now(UTC)).total_seconds())
    data = {"seconds_left": seconds_left, "resumes_automatically": resumes_automatically}
    browser.mount_script("countdown", key="countdown", data=data, css=COUNTDOWN_CSS, on_finished_change=lambda: None)


def limit_states(person_id: int) -> list[LimitState]:
    """Return the state of each limit that applies to the person."""
    return [
        state for state in (limiter.peek(kind, str(person_id)) for kind in limiter.PERSONAL_LIMITS) if state.is_limited
    ]
