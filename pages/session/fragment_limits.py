"""Runs of fragments and dialogs count against the reader's limit of page loads, except those on their own schedule.

A browser says by itself which runs are scheduled, so the time since the fragment's last run decides.
"""

import time
from collections.abc import Callable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from core.auth.identity import Identity
from core.ratelimit import limiter

LAST_RUNS_KEY = "fragment-last-runs"
# The browser waits for the interval after each run, but not always to the millisecond.
SCHEDULED_SHARE = 0.5


def count_run(
    identity: Identity, interval_seconds: float | None, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Count the current run of a fragment, unless it runs with its page or is due. Raises RateLimitExceeded."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not context.fragment_ids_this_run:
        return
    if interval_seconds is not None and is_due(current_fragment_id(), interval_seconds, monotonic()):
        return
    limiter.check("pages", str(identity.person_id))


def is_due(fragment_id: str, interval_seconds: float, now: float) -> bool:
    """Return whether the interval has passed since this was last true for that fragment of this page."""
    last_runs: dict[str, float] = st.session_state.setdefault(LAST_RUNS_KEY, {})
    if now - last_runs.get(fragment_id, float("-inf")) < SCHEDULED_SHARE * interval_seconds:
        return False
    last_runs[fragment_id] = now
    return True


def current_fragment_id() -> str:
    return ThreadState.get().fragment_id or ""
