"""The top of the repository page: name input, what it is, its counts, and why there may be nothing to show."""

from datetime import UTC, datetime, timedelta

import streamlit as st
from pandas import DataFrame

from core.analysis import reported_series
from core.emoji import render_shortcodes
from core.github_site import page_url
from core.queries import (
    accounts,
    captures,
    coverage,
    growth,
    repository_detail,
    repository_facts,
    star_history,
    tracking,
)
from core.queries.repository_detail import FoundRepository, RepositoryDetail
from core.tracking.login import BadLogin, parse_repository
from core.wording import time_ago
from pages.components import as_of, definitions, page_opens, query_params, track_request
from pages.components.compare_link import compare_link
from pages.components.footer_note import footer_note
from pages.components.format import day
from pages.components.former_names import show_names
from pages.components.markdown import escape_markdown
from pages.components.metric_cards import Card, metric_row

THIRTY_DAYS, SPAN = timedelta(days=30), "30 days"
APART = {"watchers": "Watchers", "open_issues": "Open issues", "open_change_requests": "Open change requests"}
TOGETHER = {"watchers": "Watchers", "open_issues_and_change_requests": "Open issues and change requests"}


def name_input() -> str:
    """Draw the search box and return the text in the URL, `owner/name` where it can be parsed; empty without one."""
    given = query_params.select_or_type(
        "Repository",
        list(repository_detail.suggestions()["full_name"]),
        key="name",
        placeholder="Type owner/name or paste a URL, or choose one",
        label_visibility="collapsed",
        icon=":material/search:",
    ).strip()
    try:
        return parse_repository(given) if given else ""
    except BadLogin:
        return given


def find_repository(name: str) -> FoundRepository | None:
    """Return the repository called *name*, with a sentence about its other names.

    Returns None, after saying why, where there is none, or was none at the selected time.
    """
    if not name:
        st.info(
            "No repository is stored yet. Type a name like octocat/hello-world above to have it tracked."
            if repository_detail.suggestions().empty
            else "Choose a repository above, or type its name like octocat/hello-world.",
            icon=":material/search:",
        )
        return None
    try:
        owner, _, short_name = parse_repository(name).partition("/")
    except BadLogin as error:
        st.warning(f"{escape_markdown(str(error))}.", icon=":material/link_off:")
        return None
    selected = as_of.selected_as_of()
    found = repository_detail.find(owner, short_name, selected)
    if found is None:
        explain_missing(owner, short_name)
        return None
    if not show_names(
        name, found.full_name, found.current_full_name, selected, is_former=found.is_former, created_at=found.created_at
    ):
        return None
    page_opens.record_open("repository", found.repository_id)
    return found


def explain_missing(owner: str, short_name: str) -> None:
    """Say why no such repository is stored: its account is not tracked, not refreshed yet, or does not have it."""
    quoted, account = f"**{escape_markdown(f'{owner}/{short_name}')}**", f"**{escape_markdown(owner)}**"
    stored = accounts.find(owner, None)
    profile = accounts.profile(stored.account_id, None) if stored else None
    login = profile.current_login if profile is not None else owner
    status = tracking.tracking_status(login, short_name)
    if profile is not None and status.only is not None and short_name.lower() not in status.only:
        st.info(f"{quoted} is not stored: of {account} only other repositories are tracked.", icon=":material/search:")
        if as_of.selected_as_of() is None:
            track_request.show_request(login, status, short_name)
        return
    is_asked_for = status.widened_at is not None and (
        profile is None or profile.checked_at is None or profile.checked_at < status.widened_at
    )
    if is_asked_for:
        st.info(f"{quoted} was asked for; it shows here after the next refresh.", icon=":material/hourglass_top:")
        return
    if profile is not None and profile.is_tracked and profile.checked_at is not None:
        when = time_ago(profile.checked_at, datetime.now(UTC))
        st.info(
            f"There is no {quoted}: {account} was refreshed {when}, and GitHub listed no public repository of that name.",
            icon=":material/search_off:",
        )
        return
    if not status.is_tracked and status.requested_at is None:
        st.info(
            f"{quoted} is not stored: {account} is not tracked, and there is no imported history of this repository. "
            "It is tracked with its account, or alone.",
            icon=":material/search:",
        )
    if as_of.selected_as_of() is None:
        track_request.show_tracking_status(login, status, short_name)


def show_repository(found: FoundRepository) -> RepositoryDetail | None:
    """Show what the repository is. Returns None, after saying so, where it has no data of the selected time."""
    selected = as_of.selected_as_of()
    detail = repository_detail.detail(found.repository_id, selected)
    owner, _, _ = found.current_full_name.partition("/")
    if detail is None:
        st.info(
            f"No data about {escape_markdown(found.full_name)} {as_of.by_then()}.", icon=":material/hourglass_empty:"
        )
    else:
        show_attributes(detail, selected)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            "account.py",
            label=escape_markdown(owner),
            icon=":material/person:",
            query_params={"login": owner},
            width="content",
        )
        compare_link([found.full_name], "Compare")
        st.page_link(
            page_url(found.current_full_name), label="On GitHub", icon=":material/open_in_new:", width="content"
        )
    if selected is None and not (detail is not None and detail.is_gone):
        show_tracking(*found.current_full_name.split("/", 1))
    return detail


def show_tracking(owner: str, short_name: str) -> None:
    """Offer to track the account of a repository that is only known from imported history."""
    status = tracking.tracking_status(owner, short_name)
    if not status.is_tracked:
        track_request.show_tracking_status(owner, status, short_name)
    elif status.only is not None and short_name.lower() not in status.only:
        track_request.show_request(owner, status, short_name)


def show_attributes(detail: RepositoryDetail, selected: datetime | None) -> None:
    """Show language, licence, state, age, last push and last refresh in one line, description and topics below."""
    if detail.is_gone:
        st.warning(
            f"**{escape_markdown(detail.full_name)}** was deleted or made private. Data collected before are kept.",
            icon=":material/delete:",
        )
    flags = {"archived": detail.is_archived, "fork": detail.is_fork, "template": detail.is_template}
    parts = [f"**{escape_markdown(detail.full_name)}**"]
    parts += [escape_markdown(text) for text in (detail.primary_language, detail.license) if text]
    parts += [flag for flag, is_set in flags.items() if is_set]
    if detail.created_at is not None:
        parts.append(f"since {day(detail.created_at)}")
    if detail.pushed_at is not None:
        parts.append(f"last push {day(detail.pushed_at)}")
    checked = day(detail.checked_at) if selected else time_ago(detail.checked_at, datetime.now(UTC))
    reported = "refreshed" if detail.source == "GitHub" else f"reported by {escape_markdown(detail.source)}"
    st.markdown(" · ".join([*parts, f"{reported} {checked}"]))
    if detail.description:
        st.caption(escape_markdown(render_shortcodes(detail.description)))
    if detail.topics:
        st.markdown(" ".join(f":gray-badge[{escape_markdown(topic)}]" for topic in detail.topics))
    if detail.is_fork is None and selected is not None:
        st.caption("Its description, topics and flags of that time are not known: it was first refreshed later.")


def show_counts(
    found: FoundRepository, detail: RepositoryDetail, series: DataFrame, intervals: DataFrame, extras: DataFrame
) -> None:
    """Draw the cards of the repository's counts, with their growth in 30 days and last year's trend."""
    vs = as_of.selected_vs()
    compared = repository_detail.detail(found.repository_id, vs) if vs else None
    start = detail.checked_at - THIRTY_DAYS
    is_younger = detail.created_at is not None and detail.created_at > start
    reported = f"Reported on {day(detail.checked_at)}, source: {escape_markdown(detail.source)}"
    last = captures.last_capture(intervals, detail.source, as_of.selected_as_of() or datetime.now(UTC))
    before = {
        "stars": None if detail.stars is None or detail.stars_30d is None else detail.stars - detail.stars_30d,
        "forks": 0 if is_younger else reported_series.value_at(series, intervals, "forks", detail.source, start),
    }
    cards = [
        Card(
            name.capitalize(),
            getattr(detail, name),
            before[name],
            span=SPAN,
            trend=reported_series.weekly_trend(series, intervals, name, detail.source, detail.checked_at),
            help=f"{reported}\n\n{growth.DEFINITION}" if name == "stars" else reported,
            reported_at=detail.checked_at,
            is_overdue=last is not None and last.is_overdue,
            vs=getattr(compared, name, None),
        )
        for name in ("stars", "forks")
    ]
    extras_at = repository_facts.extras_read_at(extras, found.repository_id, as_of.selected_as_of())
    are_together = detail.open_issues is None and detail.open_issues_and_change_requests is not None
    for name, label in (TOGETHER if are_together else APART).items():
        reported_before = 0 if is_younger else star_history.reported_before(extras, name, start, THIRTY_DAYS)
        cards.append(
            Card(
                label,
                getattr(detail, name),
                reported_before,
                span=SPAN,
                help=definitions.REPOSITORY_EXTRAS,
                is_increase_bad=name != "watchers",
                reported_at=extras_at,
                vs=getattr(compared, name, None),
            )
        )
    metric_row(cards, "repository")


def capture_note(found: FoundRepository) -> str:
    """Return the footer of the page's cells: day and run of the last capture, and coverage by our refreshes."""
    selected = as_of.selected_as_of()
    return footer_note(
        star_history.latest_capture(found.repository_id, selected),
        coverage.account_coverage(found.account_id, selected),
    )
