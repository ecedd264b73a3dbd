"""
# Tracking
Which accounts are refreshed, and how often. Add accounts, or approve tracking requests.
"""

from datetime import UTC, datetime

import streamlit as st

from core.queries import tracking
from core.settings import settings
from core.wording import duration
from pages.components.metric_cards import Card, metric_row
from pages.sections import add_accounts, pending_requests, tracked_table
from pages.session import current

admin, now = current.require_identity("admin"), datetime.now(UTC)
counts = tracking.state_counts(now)
metric_row(
    [
        Card("Tracked", counts["all"]),
        Card("Due or queued", counts.get("due", 0) + counts.get("queued", 0)),
        Card("Failing", counts.get("failing", 0)),
        Card("Paused", counts.get("paused", 0)),
    ],
    "tracking",
)
if plan := tracking.latest_plan_summary():
    st.caption(f":material/balance: {plan}", help="How the planner spread the rate budget, and its shortages")
else:
    every = duration(settings().refresh_every)
    st.caption(f"Every account is refreshed every {every} until its change rate is known well enough to plan.")
pending_requests.show(admin)
"""
## Add accounts
Paste logins, URLs or a table, or name an organization. See what was found and what it costs before tracking.
"""
add_accounts.show(admin)
"""
## Tracked accounts
Edit cells and save, or select rows and act on all of them at once. Removed accounts keep their history.
"""
tracked_table.show(admin, counts, now)
