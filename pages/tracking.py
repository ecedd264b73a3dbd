"""
# Tracking
Who is looked at, how often, and who else should be.
"""

from datetime import UTC, datetime

import streamlit as st

from core.queries import tracking
from core.queries.tracking import RefreshPlan
from core.settings import settings
from pages.components.format import duration
from pages.components.metric_cards import Card, metric_row
from pages.sections import add_accounts, pending_requests, tracked_table
from pages.session import current


def show_cards(counted: dict[str, int]) -> None:
    metric_row(
        [
            Card("Tracked", counted["all"]),
            Card("Due or queued", counted.get("due", 0) + counted.get("queued", 0)),
            Card("Failing", counted.get("failing", 0)),
            Card("Paused", counted.get("paused", 0)),
        ],
        "tracking",
    )


def show_plan_line(plan: RefreshPlan | None) -> None:
    """Say how the budget is spread over what is tracked."""
    if plan is None:
        usual = duration(settings().refresh_every.total_seconds() / 3600)
        st.caption(f"Everybody is looked at every {usual} until enough was seen to plan with.")
        return
    st.caption(f":material/balance: {plan.summary}", help="How the planner spread the budget, and when it ran short")


admin, now = current.require_identity("admin"), datetime.now(UTC)
state_counts = tracking.state_counts(now)
show_cards(state_counts)
show_plan_line(tracking.latest_plan())
pending_requests.show(admin)
"""
## Add accounts
Paste logins, addresses or a table, or name an organization; see who they are and what they cost before they count.
"""
add_accounts.show(admin)
"""
## What is tracked
Change cells and save, or choose rows and act on all of them at once. Who is removed keeps their history.
"""
tracked_table.show(admin, state_counts, now)
