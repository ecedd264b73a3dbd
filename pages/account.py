"""
# Account
Who is this, what do they make, and how has it been received over time.
"""

import re
from datetime import UTC, datetime, timedelta

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.charts import areas, bars, lines
from core.charts.coverage_intervals import covered_share
from core.emoji import render_shortcodes
from core.queries import account_repositories, accounts, languages, tracking
from core.queries.accounts import Profile, Totals
from core.wording import time_ago
from pages.components import as_of as components_as_of
from pages.components.cell import cell, theme
from pages.components.format import day, number, percent
from pages.components.metric_cards import Card, metric_row
from pages.components.table_cell import table_cell
from pages.sections import track_request

LOGIN_PATTERN = re.compile(r"[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}(?:_[a-z\d]{1,38})?", re.IGNORECASE)
MAX_LANGUAGES = 8
TWO_QUARTERS = timedelta(days=190)
REPOSITORY_COLUMNS = {
    "repository": column.LinkColumn("Repository", display_text=r"https://github\.com/[^/]+/(.+)", width=170),
    "stars": column.NumberColumn("Stars", format="localized", width=82),
    "stars_30d": column.NumberColumn("In 30 days", format="localized", width=86, help="Growth up to the last look"),
    "course": column.LineChartColumn("Last year", width=96, help="Stars every four weeks, imported history included"),
    "forks": column.NumberColumn("Forks", format="localized", width=76),
    "language": column.TextColumn("Language", width=96),
    "checked_at": column.DateColumn("Last look", format="YYYY-MM-DD", width=92, help="How old these numbers are"),
    "pushed_at": column.DateColumn("Last push", format="YYYY-MM-DD", width=92),
    "description": column.TextColumn("Description", width="large"),
}
TOTALS_DEFINITION = """
**Our own looks** add up all repositories that the account owns and that are not gone, forks of others included.

**Imported history** adds up the repositories that its source had shown within the four weeks before each day. The line
jumps when one enters or leaves that source's sight, and when one moves to another account.

A look that found nothing new still counts as a look. Grey: nobody looked for more than twice the usual time, so no
line is drawn across.
"""


def name_and_kind(profile: Profile) -> str:
    kind = {"user": "User", "organization": "Organization"}.get(profile.kind or "", "Account")
    named = f"**{profile.name}** · " if profile.name is not None else ""
    return f"{named}{kind}"


def show_profile_line(profile: Profile) -> None:
    """Show who this is, in one line, and where to find them on GitHub."""
    login = profile.login
    facts = [name_and_kind(profile)]
    if profile.location is not None:
        facts.append(f":material/location_on: {profile.location}")
    if profile.created_at is not None:
        facts.append(f"since {profile.created_at:%Y}")
    if profile.checked_at is not None:
        facts.append(f"looked at {time_ago(profile.checked_at, datetime.now(UTC))}")
    facts.append(f"[github.com/{login} :material/open_in_new:](https://github.com/{login})")
    st.markdown(" · ".join(facts))
    if profile.bio is not None:
        st.caption(render_shortcodes(profile.bio))


def last_year_trend(history: DataFrame, column: str, source: str, until: datetime) -> list[float]:
    """The course of the last year for a card: the last value of each week with one."""
    recent = history[(history["source"] == source) & (history["captured_at"] > until - timedelta(days=365))]
    weekly = recent.set_index("captured_at")[column].dropna().resample("W").last().dropna()
    return [float(value) for value in weekly]


def show_total_cards(totals: Totals, history: DataFrame, until: datetime) -> None:
    source = totals.source
    covers = f"{number(totals.repositories)} repositories, looked at {day(totals.captured_at)}, {source}"
    metric_row(
        [
            Card(
                label,
                value,
                before,
                trend=last_year_trend(history, column, source, until),
                help=f"Over {covers}" if column != "followers" else "Imported history does not tell followers",
            )
            for label, column, value, before in (
                ("Stars", "stars", totals.stars, totals.stars_before),
                ("Forks", "forks", totals.forks, totals.forks_before),
                ("Followers", "followers", totals.followers, totals.followers_before),
                ("Repositories", "repositories", totals.repositories, totals.repositories_before),
            )
        ],
        "account",
    )


def trend_cells(history: DataFrame, stretches: DataFrame, until: datetime, note: str) -> None:
    imported = history[history["source_id"] != 1]
    told = "Surviving stars, summed over its repositories."
    if not imported.empty:
        last = imported.iloc[-1]
        told += f" {last['source']} had {number(last['repositories'])} of them in sight on {day(last['captured_at'])}."
    cell(
        "How many stars do its repositories have together?",
        told + " Grey: not collected.",
        history,
        name="account-stars",
        chart=lines.history_lines(history, stretches, "stars", theme(), until=until, unit="stars"),
        alt=line_alt_text(history, "stars"),
        definition=TOTALS_DEFINITION,
        rows=history.drop(columns="source_id"),
        note=note,
    )
    followers = history.dropna(subset=["followers"])
    followers.attrs = history.attrs
    left, right = st.columns(2)
    with left:
        cell(
            "How many follow it?",
            "Followers on GitHub at each change.",
            followers,
            name="account-followers",
            chart=lines.history_lines(
                followers,
                stretches[stretches["source_id"] == 1],
                "followers",
                theme(),
                until=until,
                unit="followers",
                height=240,
            )
            if len(followers)
            else None,
            alt=line_alt_text(followers, "followers"),
            empty="Followers are not collected yet: imported history does not tell them.",
            note=note,
        )
    with right:
        cell(
            "How many repositories does that cover?",
            "Those the totals add up at each moment.",
            history,
            name="account-repositories-known",
            chart=lines.history_lines(
                history, stretches, "repositories", theme(), until=until, unit="repositories", height=240
            ),
            alt=line_alt_text(history, "repositories"),
            definition=TOTALS_DEFINITION,
            rows=history.drop(columns="source_id"),
            note=note,
        )


def line_alt_text(frame: DataFrame, column: str) -> str:
    known = frame.dropna(subset=[column])
    if known.empty:
        return f"No {column} are known."
    first, last = known.iloc[0], known.iloc[-1]
    return (
        f"Line of {column}: {number(first[column])} on {day(first['captured_at'])}, "
        f"{number(last[column])} on {day(last['captured_at'])}."
    )


def language_cells(account_id: int, note: str) -> None:
    by_bytes = languages.account_languages(account_id, components_as_of.selected_as_of())
    mix = languages.account_language_history(account_id, components_as_of.selected_as_of())
    left, right = st.columns(2)
    with left:
        if by_bytes.empty:
            languages_by_stars_cell(mix, note)
        else:
            top = by_bytes.head(MAX_LANGUAGES)
            cell(
                "Which languages is it written in?",
                "Share of all bytes of code; forks left out.",
                by_bytes,
                name="account-languages",
                chart=bars.language_bars(
                    top, "share", theme(), texts=top["share"].map(lambda share: percent(share, 1))
                ),
                alt=f"Bars: {', '.join(f'{r.language} {r.share:.0%}' for r in top.itertuples())}",
                note=note,
            )
    with right:
        cell(
            "How does the mix drift?",
            "Share of stars by primary language, quarter by quarter.",
            mix,
            name="account-language-mix",
            chart=areas.stacked_shares(
                mix,
                "stars",
                theme(),
                unit="stars",
                longest=TWO_QUARTERS,
                height=max(240, min(len(by_bytes) or 8, 8) * 34 + 16),
            )
            if len(mix)
            else None,
            alt="Layers: the share of each primary language in all stars, by quarter.",
            definition="Each repository counts with the language it has now and the last stars told in the year "
            "before the quarter's end. Forks are left out.",
            note=note,
        )


def languages_by_stars_cell(mix: DataFrame, note: str) -> None:
    """What there is to show of languages while their bytes have not been collected."""
    last = mix[mix["at"] == mix["at"].max()] if len(mix) else mix
    last.attrs = mix.attrs
    top = last.head(MAX_LANGUAGES)
    cell(
        "In which languages are the starred ones?",
        "Stars by primary language: bytes of code were not collected.",
        last,
        name="account-languages",
        chart=bars.language_bars(top, "stars", theme(), texts=top["stars"].map(number)) if len(top) else None,
        alt=f"Bars: {', '.join(f'{r.language} {number(r.stars)}' for r in top.itertuples())}",
        note=note,
    )


def repository_cell(account_id: int, note: str) -> None:
    found = account_repositories.list_repositories(account_id, components_as_of.selected_as_of())
    shown = found.assign(
        repository="https://github.com/" + found["full_name"],
        description=found["description"].map(render_shortcodes, na_action="ignore"),
    )
    table_cell(
        "Which repositories are these?",
        f"All {len(found):,} that are known, most stars first. A click on a heading sorts, one on a name opens GitHub.",
        found,
        REPOSITORY_COLUMNS,
        name="account-repositories",
        shown=shown,
        alt="All repositories of the account with stars, growth and course",
        max_height=460,
        note=note,
    )


def explain_missing(login: str) -> None:
    """Say why there is nothing under this login, and where to go."""
    if not LOGIN_PATTERN.fullmatch(login):
        st.warning(
            f"`{login[:60]}` cannot be a GitHub login: letters, digits and single hyphens, at most 39 of them.",
            icon=":material/person_off:",
        )
    elif new := accounts.current_login(login):
        st.info(f"**{login}** is called **{new}** now.", icon=":material/badge:")
        st.page_link("account.py", label=f"Go to {new}", query_params={"login": new}, icon=":material/arrow_forward:")
    else:
        standing = tracking.tracking_status(login)
        if not standing.is_tracked and standing.requested_at is None:
            st.info(
                f"**{login}** is not tracked, and no imported history tells of it.", icon=":material/person_search:"
            )
        track_request.show_tracking_status(login, standing)


def show_account(profile: Profile) -> None:
    """Everything that is known of one account."""
    account_id, as_of = profile.account_id, components_as_of.selected_as_of()
    until = as_of or datetime.now(UTC)
    history = accounts.history(account_id, as_of)
    stretches = accounts.coverage_intervals(account_id, as_of)
    totals = accounts.totals(account_id, as_of)
    if not totals and not as_of and profile.checked_at is None:
        track_request.show_tracking_status(profile.login, tracking.tracking_status(profile.login))
        return
    if not totals:
        st.info(
            f"Nothing was collected of {profile.login} {'by then' if as_of else 'yet'}"
            + ("; its first look is due." if profile.is_tracked and not as_of else "."),
            icon=":material/hourglass_empty:",
        )
        return
    look = accounts.latest_capture(account_id, as_of)
    run = f" · run {look.run_id}" if look and look.run_id else ""
    note = f"{day(look.captured_at if look else None)}{run} · coverage {percent(covered_share(stretches, until))}"
    show_total_cards(totals, history, until)
    st.markdown("## Reception")
    trend_cells(history, stretches, until, note)
    st.markdown("## Languages")
    language_cells(account_id, note)
    st.markdown("## Repositories")
    repository_cell(account_id, note)


login = st.selectbox(
    "Account",
    list(accounts.suggestions()["login"]),
    index=None,
    key="login",
    bind="query-params",
    accept_new_options=True,
    placeholder="Type a login, or choose one",
    label_visibility="collapsed",
    icon=":material/search:",
)

if not login:
    st.info(
        "Choose an account above: one that is tracked, or one that imported history tells of.", icon=":material/search:"
    )
else:
    found = accounts.profile(login.strip())
    if found is None:
        explain_missing(login.strip())
    else:
        shown_profile = found
        if shown_profile.gone_at is not None:
            reason = "" if shown_profile.gone_reason is None else f" ({shown_profile.gone_reason})"
            st.warning(
                f"**{shown_profile.login}** is gone from GitHub since {day(shown_profile.gone_at)}{reason}. "
                "What was collected before stays.",
                icon=":material/person_off:",
            )
        show_profile_line(shown_profile)
        if not shown_profile.is_tracked and shown_profile.gone_at is None and components_as_of.selected_as_of() is None:
            track_request.show_tracking_status(shown_profile.login, tracking.tracking_status(shown_profile.login))
        show_account(shown_profile)
