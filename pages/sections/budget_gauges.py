"""What is left of GitHub's budgets, as gauges, and which tokens GitHub does not take any more."""

from datetime import UTC, datetime

import streamlit as st

from core import redis_client
from core.budget import refused_tokens, shared_state
from core.budget.shared_state import Bucket
from core.settings import settings
from pages.components.format import ago, number
from pages.components.status_cards import ask
from pages.session import current
from pages.session.common import plain

KIND = {"core": "REST", "graphql": "GraphQL"}


@st.fragment(run_every="5s")
def show() -> None:
    """One gauge for each owner's budget."""
    current.required("admin")
    now = datetime.now(UTC)
    seen, why = ask(lambda: shared_state.seen(redis_client.redis(), settings().github_api_url, now))
    if seen is None:
        st.info(f"{why} Budgets are shared through Redis, and show again when it is back.", icon=":material/cloud_off:")
        return
    refused(now)
    if not seen.buckets:
        st.info("Nothing has been heard from GitHub in the last two hours.", icon=":material/hourglass_empty:")
        return
    with st.container(key="cards-budgets"):
        for bucket in seen.buckets:
            with st.container(border=True, height="stretch", gap="xxsmall"):
                gauge(bucket, now)


def gauge(bucket: Bucket, now: datetime) -> None:
    left = bucket.left(now)
    unit = "points" if bucket.resource == "graphql" else "requests"
    st.markdown(f"**{KIND.get(bucket.resource, bucket.resource)}** of {plain(bucket.owner)}")
    st.progress(left / max(1, bucket.limit), text=f"{number(left)} of {number(bucket.limit)} {unit} left")
    full = bucket.resets_at <= now or left == bucket.limit
    st.caption("full" if full else f"full again at {bucket.resets_at:%H:%M} UTC")


def refused(now: datetime) -> None:
    """Name the tokens that are left out, and say why; nothing while all of them are good."""
    found, _ = ask(lambda: refused_tokens.seen(redis_client.redis(), settings().github_api_url))
    for one in found or ():
        when = f" {ago(one.at, now)}" if one.at else ""
        st.warning(
            f"GitHub refused **{plain(one.name)}**{when}: {plain(one.why)}. The others go on with its accounts;"
            " replace it in `GITHUB_TOKENS` and start the workers again.",
            icon=":material/key_off:",
        )
