"""The feed of the changes page: entries by day, each in one line."""

from typing import Any

import streamlit as st
from pandas import DataFrame, Series, to_datetime

from core.errors import BadInput
from core.tracking.login import parse_login
from pages.components import labels
from pages.components.markdown import escape_markdown

SHOWN_DAYS, SHOWN_ENTRIES = 7, 12
ICONS = {
    "new": ":material/add_circle:",
    "gone": ":material/block:",
    "back": ":material/restore:",
    "archived": ":material/archive:",
    "restored": ":material/unarchive:",
    "renamed": ":material/edit:",
    "transferred": ":material/swap_horiz:",
    "relicensed": ":material/gavel:",
    "primary_language": ":material/code:",
    "default_branch": ":material/fork_right:",
}


def days_of(ledger: DataFrame) -> "Series[Any]":
    """Return the UTC day of each entry, as text."""
    return to_datetime(ledger["detected_at"], utc=True).dt.strftime("%Y-%m-%d")


def show_days(ledger: DataFrame) -> None:
    """Draw the newest days as lists; the rest is in the table."""
    days = days_of(ledger)
    for day in days.drop_duplicates().head(SHOWN_DAYS):
        entries = ledger[(days == day).to_numpy()]
        with st.container(border=True, key=f"changes-{day}", gap="xsmall"):
            st.markdown(f"**{day}**")
            newest = entries.head(SHOWN_ENTRIES).astype(object)
            shown = newest.where(newest.notna(), None).itertuples()
            lines = [change_sentence(one.kind, one.repository or one.account, one.before, one.after) for one in shown]
            if len(entries) > SHOWN_ENTRIES:
                lines.append(f"and {len(entries) - SHOWN_ENTRIES:,} more in the table below")
            st.markdown("\n".join(f"- {line}" for line in lines))


def change_sentence(kind: str, subject: str, before: str | None, after: str | None) -> str:
    """Describe one change in one line of Markdown."""
    what = f"{ICONS.get(kind, '')} **{escape_markdown(subject)}** {labels.CHANGES.get(kind, kind)}".strip()
    if before and after:
        return f"{what}: {escape_markdown(before)} → {escape_markdown(after)}"
    detail = after or before
    return f"{what}: {escape_markdown(detail)}" if detail and detail != subject else what


def table_rows(ledger: DataFrame) -> DataFrame:
    """Add the subject and the kind as a label."""
    return ledger.assign(
        subject=ledger["repository"].fillna(ledger["account"]),
        what=ledger["kind"].map(lambda kind: labels.CHANGES.get(kind, kind)),
    )


def explain_unknown_account(login: str) -> None:
    try:
        parse_login(login)
    except BadInput as error:
        st.warning(f"{escape_markdown(str(error))}.", icon=":material/person_off:")
    else:
        st.info(f"No account called **{escape_markdown(login)}** is stored.", icon=":material/person_search:")


def why_empty(within: str, *, is_filtered: bool, was_refreshed: bool) -> str:
    """Say whether nothing changed, or nothing could be detected."""
    if not was_refreshed:
        return (
            "Nothing had been refreshed by then: changes are recorded from an account's first refresh, and imported "
            "history has none."
        )
    return f"Nothing changed{within}{', of these kinds and this account' if is_filtered else ''}."
