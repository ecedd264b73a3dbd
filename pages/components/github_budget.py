"""GitHub's rate budget: what is left per token owner, as gauges or as a table, pauses, and rejected tokens."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core import redis_client
from core.budget import rate_limits, rejected_tokens, token_expiry
from core.budget.rate_limits import RateBudgetBucket, RateBudgetSummary
from core.budget.token_expiry import WARNING_PERIOD
from core.settings import settings
from core.wording import duration, quantity, time_ago
from pages.components.format import number
from pages.components.markdown import escape_markdown
from pages.components.status_cards import query_or_reason
from pages.components.table import share_bar, show_table
from pages.session import guard

RERUN_EVERY = "5s"
HOW_TO_REPLACE = "Replace it in `GITHUB_TOKENS` and restart the workers."
RESOURCE_LABELS = {"core": "REST", "graphql": "GraphQL", "search": "Search"}
COLUMNS = {
    "owner": column.TextColumn("Token owner", help="A login, or a token's fingerprint until GitHub reported its login"),
    "resource": column.TextColumn("Budget"),
    "share": share_bar("Left", color="primary"),
    "left": column.NumberColumn("Requests or points left", format="localized"),
    "limit": column.NumberColumn("Limit", format="localized"),
    "resets": column.TextColumn("Resets"),
}


@guard.fragment(role="admin", run_every=RERUN_EVERY)
def show_gauges() -> None:
    """Draw one gauge per token owner and resource."""
    _show(_draw_gauges)


@guard.fragment(role="admin", run_every=RERUN_EVERY)
def show_budget_table() -> None:
    """Draw one table row per token owner and resource."""
    _show(_draw_table)


def load_budget(now: datetime) -> tuple[RateBudgetSummary | None, str]:
    """Return the budget as last reported to any process, or None and a sentence why it is unavailable."""
    return query_or_reason(lambda: rate_limits.load_rate_budget(redis_client.redis(), settings().github_api_url, now))


def show_pause(budget: RateBudgetSummary | None) -> None:
    """Show until when GitHub asked for a pause; nothing without one."""
    if budget is not None and budget.paused_until:
        st.warning(
            f"GitHub asked for a pause: no request is sent before {budget.paused_until:%H:%M:%S} UTC.",
            icon=":material/pause_circle:",
        )


def show_rejected_tokens(now: datetime) -> None:
    """Show the tokens that GitHub rejected, with the reason; nothing while all tokens are valid."""
    rejected, _ = query_or_reason(
        lambda: rejected_tokens.load_rejected_tokens(redis_client.redis(), settings().github_api_url)
    )
    for token in rejected or ():
        when = f" {time_ago(token.at, now)}" if token.at else ""
        st.warning(
            f"GitHub rejected **{escape_markdown(token.name)}**{when}: {escape_markdown(token.reason)}. The other tokens "
            f"take over its accounts. {HOW_TO_REPLACE}",
            icon=":material/key_off:",
        )


def show_expiring_tokens(now: datetime) -> None:
    """Show when tokens expire: a warning two weeks ahead, an error afterwards; nothing for tokens that never do."""
    tokens, _ = query_or_reason(
        lambda: token_expiry.load_token_expiries(redis_client.redis(), settings().github_api_url)
    )
    for token in tokens or ():
        sentence = escape_markdown(f"GitHub's {token.sentence(now)}")
        if token.has_expired(now):
            st.error(f"{sentence}. {HOW_TO_REPLACE}", icon=":material/key_off:")
        elif token.expires_within(WARNING_PERIOD, now):
            st.warning(f"{sentence}. {HOW_TO_REPLACE}", icon=":material/key:")
        else:
            st.caption(f"{sentence}.")


def _show(draw: Callable[[RateBudgetSummary, datetime], None]) -> None:
    now = datetime.now(UTC)
    budget, reason = load_budget(now)
    if budget is None:
        st.info(f"{reason} The rate budget is stored there: shown once it is back.", icon=":material/cloud_off:")
        return
    show_pause(budget)
    show_rejected_tokens(now)
    show_expiring_tokens(now)
    if budget.buckets:
        draw(budget, now)
    else:
        st.info("GitHub has sent no response in the last two hours.", icon=":material/hourglass_empty:")


def _draw_gauges(budget: RateBudgetSummary, now: datetime) -> None:
    with st.container(key="cards-budgets"):
        for bucket in budget.buckets:
            with st.container(border=True, height="stretch", gap="xxsmall"):
                _draw_gauge(bucket, now)


def _draw_gauge(bucket: RateBudgetBucket, now: datetime) -> None:
    left = bucket.remaining_at(now)
    unit = "points" if bucket.resource == "graphql" else "requests"
    st.markdown(
        f"**{RESOURCE_LABELS.get(bucket.resource, escape_markdown(bucket.resource))}** of {escape_markdown(bucket.owner)}"
    )
    st.progress(left / max(1, bucket.limit), text=f"{number(left)} of {number(bucket.limit)} {unit} left")
    is_full = bucket.resets_at <= now or left == bucket.limit
    st.caption("full" if is_full else f"full again at {bucket.resets_at:%H:%M} UTC")


def _draw_table(budget: RateBudgetSummary, now: datetime) -> None:
    show_table(
        DataFrame([_table_row(bucket, now) for bucket in budget.buckets]),
        COLUMNS,
        alt="What is left of each of GitHub's rate limits",
        key="budgets",
    )
    st.caption(f"As last reported to any process · {quantity(budget.in_flight, 'request')} in flight")


def _table_row(bucket: RateBudgetBucket, now: datetime) -> dict[str, Any]:
    left, wait = bucket.remaining_at(now), bucket.resets_at - now
    return {
        "owner": bucket.owner,
        "resource": RESOURCE_LABELS.get(bucket.resource, bucket.resource),
        "share": round(left / bucket.limit, 2) if bucket.limit else 0.0,
        "left": left,
        "limit": bucket.limit,
        "resets": f"in {duration(wait, round_up=True)}" if wait > timedelta(0) else "now",
    }
