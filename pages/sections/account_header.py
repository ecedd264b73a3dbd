"""The top of the account page: login input, profile, and why there may be nothing to show."""

from datetime import UTC, datetime

import streamlit as st
from pandas import DataFrame

from core.analysis import reported_series
from core.emoji import render_shortcodes
from core.github_site import page_url
from core.queries import accounts, captures, coverage, tracking
from core.queries.accounts import Profile, Totals
from core.tracking.login import BadLogin, parse_login
from core.wording import quantity, time_ago
from pages.components import as_of, page_opens, query_params, track_request
from pages.components.compare_link import compare_link
from pages.components.footer_note import footer_note
from pages.components.format import day, number
from pages.components.former_names import show_names
from pages.components.markdown import escape_markdown
from pages.components.metric_cards import Card, metric_row

TREND_COLUMNS = ("stars", "forks", "followers", "repositories")
KIND_LABELS = {"user": "User", "organization": "Organization"}


def login_input() -> str:
    """Draw the search box and return the login in the URL; empty without one."""
    selected = query_params.select_or_type(
        "Account",
        list(accounts.suggestions()["login"]),
        key="login",
        placeholder="Type a login, or choose one",
        label_visibility="collapsed",
        icon=":material/search:",
    )
    given = selected.strip()
    try:
        return parse_login(given) if given else ""
    except BadLogin:
        return given


def show_profile(login: str) -> Profile | None:
    """Show who *login* is. Returns None, after saying why, where there is no data to show."""
    if not login:
        st.info(
            "Nothing is stored yet. Type a login above to have its account tracked."
            if accounts.suggestions().empty
            else "Choose an account above: a tracked one, or one with imported history.",
            icon=":material/search:",
        )
        return None
    selected = as_of.selected_as_of()
    found = accounts.find(login, selected)
    if found is None:
        explain_missing(login)
        return None
    if not show_names(
        login, found.login, found.current_login, selected, is_former=found.is_former, created_at=found.created_at
    ):
        return None
    page_opens.record_open("account", found.account_id)
    profile = accounts.profile(found.account_id, selected)
    show_profile_line(profile, selected)
    if is_requestable := not profile.is_tracked and profile.gone_at is None and selected is None:
        show_tracking_status(profile.current_login)
    if selected is None and profile.is_tracked:
        show_tracked_alone(profile.current_login)
    if accounts.totals(profile.account_id, selected) is not None:
        return profile
    if selected is None and profile.checked_at is None:
        if not is_requestable:
            show_tracking_status(profile.current_login)
        return None
    next_step = "; its first refresh is due." if profile.is_tracked and selected is None else "."
    st.info(
        f"No data about {escape_markdown(profile.login)} {as_of.by_then()}{next_step}",
        icon=":material/hourglass_empty:",
    )
    return None


def show_tracked_alone(login: str) -> None:
    """Say which repositories the account is tracked for where these are not all, and offer to track all."""
    status = tracking.tracking_status(login)
    if status.only is not None:
        names = ", ".join(escape_markdown(name) for name in sorted(status.only))
        st.caption(f"Totals are of all its repositories; listed is what is tracked alone: {names}.")
        track_request.show_request(login, status)


def explain_missing(login: str) -> None:
    """Say why there is no account of that name, and where to go."""
    try:
        parse_login(login)
    except BadLogin as error:
        st.warning(f"{escape_markdown(str(error))}.", icon=":material/person_off:")
    else:
        status = tracking.tracking_status(login)
        if not status.is_tracked and status.requested_at is None:
            st.info(
                f"**{escape_markdown(login)}** is not tracked, and there is no imported history of it.",
                icon=":material/person_search:",
            )
        track_request.show_tracking_status(login, status)


def show_tracking_status(login: str) -> None:
    track_request.show_tracking_status(login, tracking.tracking_status(login))


def show_profile_line(profile: Profile, selected: datetime | None) -> None:
    """Show name, kind, location, age and link in one line, the bio below, as of *selected*."""
    if profile.gone_at is not None:
        reason = f" ({escape_markdown(profile.gone_reason)})" if profile.gone_reason else ""
        st.warning(
            f"**{escape_markdown(profile.login)}** was deleted or made private by {day(profile.gone_at)}{reason}. "
            "Data collected before are kept.",
            icon=":material/person_off:",
        )
    kind = KIND_LABELS.get(profile.kind or "", "Account")
    parts = [f"**{escape_markdown(profile.name)}** · {kind}" if profile.name else kind]
    if profile.location:
        parts.append(f":material/location_on: {escape_markdown(profile.location)}")
    if profile.created_at is not None:
        parts.append(f"since {profile.created_at:%Y}")
    if selected is None and profile.checked_at is not None:
        parts.append(f"refreshed {time_ago(profile.checked_at, datetime.now(UTC))}")
    url = page_url(profile.current_login)
    parts.append(f"[{escape_markdown(url.partition('://')[2])} :material/open_in_new:]({url})")
    st.markdown(" · ".join(parts))
    if not profile.is_known:
        st.caption("Its profile of that time is not known: it was first refreshed later.")
    if profile.bio:
        st.caption(escape_markdown(render_shortcodes(profile.bio)))
    with st.container(horizontal=True, gap="small"):
        compare_link([profile.login], "Compare")
        st.page_link(
            "scene.py",
            label="Its scene",
            icon=":material/location_city:",
            query_params={"account": profile.login},
            width="content",
        )


def show_totals(
    totals: Totals, history: DataFrame, intervals: DataFrame, until: datetime, compared: Totals | None
) -> None:
    """Draw the cards of the account's totals, with their growth in four weeks and last year's trend.

    *compared* are the totals at the time that is compared with.
    """
    repositories = quantity(totals.repositories or 0, "repository", "repositories")
    last = captures.last_capture(intervals, totals.source, until)
    trends = reported_series.weekly_trends(history, intervals, TREND_COLUMNS, totals.source, until)
    covers = f"Over {repositories}, refreshed on {day(totals.captured_at)}, source: {escape_markdown(totals.source)}"
    metric_row(
        [
            Card(
                label,
                value,
                before,
                trend=trends[label.lower()],
                help=covers if label != "Followers" else "Imported history has no followers",
                reported_at=last.at if last and value is not None else None,
                is_overdue=last is not None and last.is_overdue,
                vs=getattr(compared, label.lower(), None),
            )
            for label, value, before in (
                ("Stars", totals.stars, totals.stars_before),
                ("Forks", totals.forks, totals.forks_before),
                ("Followers", totals.followers, totals.followers_before),
                ("Repositories", totals.repositories, totals.repositories_before),
            )
        ],
        "account",
    )


def capture_note(account_id: int) -> str:
    """Return the footer of the page's cells: day and run of the last capture, and coverage by our refreshes."""
    selected = as_of.selected_as_of()
    return footer_note(accounts.latest_capture(account_id, selected), coverage.account_coverage(account_id, selected))


def imported_sentence(history: DataFrame) -> str:
    """Say how many repositories the last imported source reported, and when; empty without imported history."""
    imported = history[history["source_id"] != 1]
    if imported.empty:
        return ""
    last = imported.iloc[-1]
    return (
        f" Imported from {escape_markdown(last['source'])}: {number(last['repositories'])} of them"
        f" by {day(last['captured_at'])}."
    )
