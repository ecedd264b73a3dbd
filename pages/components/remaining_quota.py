"""What a reader may still do: a quiet note before a limit bites, a calm pause when it has."""

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
    """Say that little is left, if so."""
    if is_running_low(state):
        st.caption(
            f":material/hourglass_bottom: {state.remaining:,} of {state.amount:,} page loads left; "
            f"all are back at {state.resets_at:%H:%M:%S} UTC."
        )


def show_limit_reached(full: RateLimitExceeded, *, goes_on_by_itself: bool = True) -> None:
    """Say which limit is reached and count down to its end; then run the page again, unless told not to."""
    st.warning(f"{full}.", icon=":material/hourglass_top:")
    left = max(0.0, (full.resets_at - datetime.now(UTC)).total_seconds())
    data = {"left": left, "by_itself": goes_on_by_itself}
    browser.mount_script("countdown", key="countdown", data=data, css=COUNTDOWN_CSS, on_over_change=lambda: None)


def limit_states(person_id: int) -> list[LimitState]:
    """What is left of each limit that there is."""
    kinds: tuple[limiter.LimitKind, ...] = ("pages", "api", "track", "export")
    return [state for state in (limiter.peek(kind, str(person_id)) for kind in kinds) if state.is_limited]


def window_label(seconds: int) -> str:
    """60 -> a minute, 900 -> 15 minutes, 3600 -> an hour."""
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % length == 0:
            many = seconds // length
            return f"{many} {name}s" if many > 1 else "an hour" if name == "hour" else f"a {name}"
    return f"{seconds} seconds"
