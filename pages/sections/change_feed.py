"""The feed of the changes page: entries by day, each in one line."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from pandas import DataFrame, Series, to_datetime

from core.errors import BadInput
from core.queries import repository_detail
from core.queries.changes import before_and_after, counts_by_kind
from core.queries.repository_detail import FoundRepository
from core.shared_cache import memoized
from core.tracking.login import parse_repository
from core.wording import pluralize
from pages.components import columns, labels
from pages.components.as_of import moment, nothing_collected
from pages.components.markdown import escape_markdown
from pages.components.table_cell import table_cell

SHOWN_DAYS, SHOWN_ENTRIES = 7, 12
FEED_HELP = "These filters as a feed. A reader of feeds needs a feed token: create one on your profile page."
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


def days_of(changes: DataFrame) -> "Series[Any]":
    """Return the UTC day of each entry, as text."""
    return to_datetime(changes["detected_at"], utc=True).dt.strftime("%Y-%m-%d")


def show_days(changes: DataFrame) -> None:
    """Draw the newest days as lists; the rest is in the table."""
    for day, entries in memoized(day_lists, lambda lists: sum(len(text) for text in lists.values()), changes).items():
        with st.container(border=True, key=f"changes-{day}", gap="xsmall"):
            st.markdown(f"**{day}**")
            st.markdown(entries)


def day_lists(changes: DataFrame) -> dict[str, str]:
    """Return the newest days, each with its newest entries as a list in Markdown."""
    days, lists = days_of(changes), {}
    for day in days.drop_duplicates().head(SHOWN_DAYS):
        entries = changes[(days == day).to_numpy()]
        newest = entries.head(SHOWN_ENTRIES).astype(object)
        shown = newest.where(newest.notna(), None).itertuples()
        lines = [change_sentence(one.kind, one.repository or one.account, one.before, one.after) for one in shown]
        if len(entries) > SHOWN_ENTRIES:
            lines.append(f"and {len(entries) - SHOWN_ENTRIES:,} more in the table below")
        lists[str(day)] = "\n".join(f"- {line}" for line in lines)
    return lists


def change_sentence(kind: str, subject: str, before: str | None, after: str | None) -> str:
    """Describe one change in one line of Markdown."""
    what = f"{ICONS.get(kind, '')} **{escape_markdown(subject)}** {labels.change_label(kind)}".strip()
    detail = before_and_after(kind, before, after)
    return f"{what}: {escape_markdown(detail)}" if detail and detail != subject else what


def find_repository(name: str, as_of: datetime | None) -> FoundRepository | None:
    """Return the repository called *name*; None, after saying why, where there is none."""
    try:
        owner, _, short_name = parse_repository(name).partition("/")
    except BadInput as error:
        st.warning(f"{escape_markdown(str(error))}.", icon=":material/link_off:")
        return None
    found = repository_detail.find(owner, short_name, as_of)
    if found is None:
        st.info(f"No repository called **{escape_markdown(name)}** is stored.", icon=":material/search_off:")
    return found


def show_counts(as_of: datetime | None, vs: datetime, chosen: dict[str, Any]) -> None:
    """Draw how many entries of each kind there are since *vs*, beside those of as long a time before it."""
    counts = counts_by_kind(as_of, vs, **chosen)
    table_cell(
        "How many of each kind, and how many before?",
        f"Since {moment(vs)}, and in as long a time before that.",
        counts,
        columns.CHANGE_COUNTS,
        name="changes-counts",
        shown=counts.assign(what=counts["kind"].map(labels.change_label)),
        empty="Nothing changed in either of the two times.",
        empty_is_ok=True,
        max_height=220,
    )


def api_path(kinds: Sequence[str], account: str, repository: str, span: timedelta | None) -> str:
    """Return the path of the page's entries in the API."""
    return f"changes{_filters(kinds, account, repository, days=span.days if span else None)}"


def _filters(kinds: Sequence[str], account: str, repository: str, days: int | None = None) -> str:
    given = {"kind": list(kinds), "account": account, "repository": repository, "days": days}
    filters = urlencode({name: value for name, value in given.items() if value}, doseq=True)
    return f"?{filters}" if filters else ""


def show_feed_link(kinds: Sequence[str], account: str, repository: str) -> None:
    """Link to the Atom feed with the filters of the page; a span would end an entry's time in a reader of feeds."""
    url = f"/api/v1/changes.atom{_filters(kinds, account, repository)}"
    st.markdown(f"[:material/rss_feed: Atom feed]({url})", width="content", help=FEED_HELP)


def why_empty(within: str, *, kinds: int, has_account: bool, has_repository: bool, was_refreshed: bool) -> str:
    """Say whether nothing changed, or nothing could be detected. *kinds* is the number of selected ones."""
    if not was_refreshed:
        return (
            f"{nothing_collected()} Changes are recorded from an account's first refresh on; imported history has none."
        )
    filters = [
        f"of {pluralize(kinds, 'this kind', 'these kinds')}" if kinds else "",
        "of this account" if has_account else "",
        "of this repository" if has_repository else "",
    ]
    return ", ".join(filter(None, [f"Nothing changed{within}", " and ".join(filter(None, filters))])) + "."
