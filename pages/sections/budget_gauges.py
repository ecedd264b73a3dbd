"""What is left of GitHub's budgets, as gauges, and which tokens GitHub does not take any more."""

from datetime import UTC, datetime

import streamlit as st

from core import redis_client
from core.budget import refused_tokens, shared_state
from core.budget.shared_state import RateBudgetBucket
from core.settings import settings
from core.wording import time_ago
from pages.components.format import number
from pages.components.markdown import escape_markdown
from pages.components.status_cards import query_or_reason
from pages.session import current

RESOURCE_LABELS = {"core": "REST", "graphql": "GraphQL"}


@st.fragment(run_every="5s")
def show() -> None:
    """One gauge for each owner's budget."""
    current.require_identity("admin")
    now = datetime.now(UTC)
    seen, why = query_or_reason(
        lambda: shared_state.load_rate_budget(redis_client.redis(), settings().github_api_url, now)
    )
    if seen is None:
        st.info(f"{why} Budgets are shared through Redis, and show again when it is back.", icon=":material/cloud_off:")
        return
    show_refused_tokens(now)
    if not seen.buckets:
        st.info("Nothing has been heard from GitHub in the last two hours.", icon=":material/hourglass_empty:")
        return
    with st.container(key="cards-budgets"):
        for bucket in seen.buckets:
            with st.container(border=True, height="stretch", gap="xxsmall"):
                show_gauge(bucket, now)


def show_gauge(bucket: RateBudgetBucket, now: datetime) -> None:
    left = bucket.left(now)
    unit = "points" if bucket.resource == "graphql" else "requests"
    st.markdown(f"**{RESOURCE_LABELS.get(bucket.resource, bucket.resource)}** of {escape_markdown(bucket.owner)}")
    st.progress(left / max(1, bucket.limit), text=f"{number(left)} of {number(bucket.limit)} {unit} left")
    full = bucket.resets_at <= now or left == bucket.limit
    st.caption("full" if full else f"full again at {bucket.resets_at:%H:%M} UTC")


def show_refused_tokens(now: datetime) -> None:
    """Name the tokens that are left out, and say why; nothing while all of them are good."""
    found, _ = query_or_reason(
        lambda: refused_tokens.load_refused_tokens(redis_client.redis(), settings().github_api_url)
    )
    for one in found or ():
        when = f" {time_ago(one.at, now)}" if one.at else ""
        st.warning(
            f"GitHub refused **{escape_markdown(one.name)}**{when}: {escape_markdown(one.reason)}. The others go on with its accounts;"
            " replace it in `GITHUB_TOKENS` and start the workers again.",
            icon=":material/key_off:",
        )
