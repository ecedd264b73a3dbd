"""The overview of an empty installation: how to track accounts and import history."""

import streamlit as st

from pages.components import track_request


def show() -> None:
    st.info("Nothing is tracked yet, so there is nothing to read. This is how to begin.", icon=":material/waving_hand:")
    left, right = st.columns(2)
    with left.container(border=True, height="stretch"):
        st.markdown("**Track accounts**")
        st.caption("Users or organizations. Almanac refreshes them soon after and keeps their history from then on.")
        track_request.show_track_form()
        st.caption("Or many at once, from the command line:")
        st.code("python -m ingest track pallets gaearon", language="sh", wrap_lines=True)
    with right.container(border=True, height="stretch"):
        st.markdown("**Import history**")
        st.caption("History from another source: a CSV or Parquet file of days, repositories, stars and forks.")
        st.code("python -m ingest import-history stars.csv.gz --source my-notes", language="sh", wrap_lines=True)
    st.caption("GitHub allows 60 requests an hour without a token, and 5,000 with one in `GITHUB_TOKENS`.")
