"""Column tables (`st.column_config`) of the pages' tables, in the order of the columns."""

from collections.abc import Mapping
from typing import Any

from streamlit import column_config as column

from pages.components.table import ONE_DECIMAL, TWO_DECIMALS, share_bar, share_column

TIMESTAMP_COLUMN = column.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")


def timestamp_column(label: str, **options: Any) -> Any:
    """Return a column of moments to the minute; the heading names the time zone, which is UTC on all pages."""
    return column.DatetimeColumn(f"{label}, UTC", format="YYYY-MM-DD HH:mm", timezone="UTC", **options)


SUBJECT_COLUMN = column.LinkColumn("Repository or account", display_text=r"(?:name|login)=([^&]+)")


def with_compared(
    columns: Mapping[str, Any], name: str, label: str, day: str, difference: str = "Difference"
) -> dict[str, Any]:
    """Return *columns* with those of `with_differences` after the column *name*; *day* is what is compared with."""
    compared = {
        f"{name}_vs": column.NumberColumn(f"{label} on {day}", format="localized", width=145),
        f"{name}_difference": column.NumberColumn(difference, format="localized", width=85),
        f"{name}_percent": column.NumberColumn("Change, %", format=ONE_DECIMAL, width=85),
    }
    return _inserted(columns, name, compared)


def with_then(columns: Mapping[str, Any], name: str, label: str, day: str) -> dict[str, Any]:
    """Return *columns* with the value of `with_differences` then alone after the column *name*."""
    then = column.NumberColumn(f"{label} on {day}", format="localized", width=145)
    return _inserted(columns, name, {f"{name}_vs": then})


def _inserted(columns: Mapping[str, Any], name: str, added: Mapping[str, Any]) -> dict[str, Any]:
    after = list(columns).index(name) + 1
    items = list(columns.items())
    return dict([*items[:after], *added.items(), *items[after:]])


ACCOUNT_REPOSITORIES = {
    "repository": column.LinkColumn("Repository", display_text=r"name=[^/]+/([^&]+)", width=170, pinned=True),
    "stars": column.NumberColumn("Stars", format="localized", width=82),
    "stars_30d": column.NumberColumn("In 30 days", format="localized", width=86, help="Growth up to the last refresh"),
    "star_trend": column.LineChartColumn(
        "Last year",
        width=96,
        help="Stars every four weeks since the last time nobody refreshed, imported history included",
    ),
    "forks": column.NumberColumn("Forks", format="localized", width=76),
    "language": column.TextColumn("Language", width=96),
    "checked_at": column.DateColumn("Refreshed", format="YYYY-MM-DD", width=92, help="How old these numbers are"),
    "pushed_at": column.DateColumn("Last push", format="YYYY-MM-DD", width=92),
    "description": column.TextColumn("Description", width="large"),
}
LANGUAGES = {
    "language": column.TextColumn("Language", width=150),
    "stars": column.NumberColumn("Stars", format="localized", width=110),
    "stars_share": share_bar("Of all stars", width=120),
    "stars_4w": column.NumberColumn("In 4 weeks", format="localized", width=100),
    "repositories": column.NumberColumn("Repositories", format="localized", width=110),
    "bytes": column.NumberColumn("Bytes", format="localized", width=130),
}
MILESTONES = {
    "repository": column.LinkColumn("Repository", display_text=r"name=([^&]+)", width=200, pinned=True),
    "stars": column.NumberColumn("Stars", format="localized", width=90),
    "milestone": column.NumberColumn("Next", format="localized", width=90),
    "stars_30d": column.NumberColumn("In 30 days", format="localized", width=90, help="Growth up to the last refresh"),
    "earliest": column.DateColumn("Earliest", format="YYYY-MM-DD", width=100),
    "latest": column.DateColumn("Latest", format="YYYY-MM-DD", width=100),
    "reason": column.TextColumn("No range because", width=140),
}
RISING = {
    "language": column.LinkColumn("Language", display_text=r"language=([^&]+)", width=130),
    "points": column.NumberColumn("Points", format=TWO_DECIMALS, width=80, help="Percentage points of all stars"),
    "share": share_column("Share now", width=90),
    "share_then": share_column("Share then", width=90),
    "stars": column.NumberColumn("Stars", format="localized", width=100),
}
LEADING_USERS = {
    "language": column.LinkColumn("Language", display_text=r"language=([^&]+)", width=105),
    "account": column.LinkColumn("Account", display_text=r"login=([^&]+)", width=105),
    "stars": column.NumberColumn("Its stars", format="localized", width=80),
    "share": share_bar("Of the language", width=105),
}
TOGETHER = {
    "language": column.TextColumn("Language", width=88),
    "other": column.LinkColumn("And", display_text=r"language=([^&]+)", width=88),
    "repositories": column.NumberColumn("Repositories", format="localized", width=88),
    "share": share_column("Of the first's", width=88),
    "lift": column.NumberColumn("Lift", format=ONE_DECIMAL, width=55),
}
LANGUAGE_USERS = {
    "account": column.LinkColumn("Account", display_text=r"login=([^&]+)", width=150),
    "stars": column.NumberColumn("Stars", format="localized", width=90),
    "repositories": column.NumberColumn("Repositories", format="localized", width=100),
}
LANGUAGE_REPOSITORIES = {
    "repository": column.LinkColumn("Repository", display_text=r"name=([^&]+)", width=200, pinned=True),
    "stars": column.NumberColumn("Stars", format="localized", width=90),
    "stars_30d": column.NumberColumn("In 30 days", format="localized", width=90, help="Growth up to the last refresh"),
}
MOVERS = {
    "full_name": column.TextColumn("Repository"),
    "growth": column.NumberColumn("Gained", format="localized"),
    "share": share_column("Gained, share"),
    "stars": column.NumberColumn("Stars", format="localized"),
    "language": column.TextColumn("Language"),
    "description": column.TextColumn("Description", width="large"),
    "until_at": column.DatetimeColumn("Up to", format="YYYY-MM-DD"),
    "source": column.TextColumn("Source"),
    "id": None,
    "owner": None,
}
MOVERS_TABLE = {
    "repository": column.LinkColumn("Repository", display_text=r"name=([^&]+)", width=200, pinned=True),
    "growth": column.NumberColumn("Gained", format="localized", width=75),
    "share": share_column("Gained, share", width=100, help="Of the stars before"),
    "stars": column.NumberColumn("Stars", format="localized", width=80),
    "language": column.TextColumn("Language", width=100),
    "until_at": column.DatetimeColumn("Up to", format="YYYY-MM-DD", width=92, help="The last refresh"),
    "account": column.LinkColumn("Owner", display_text=r"login=([^&]+)", width=105, help="Opens the account page"),
    "source": column.TextColumn("Source", width=110),
    "description": column.TextColumn("Description", width=420),
}
RANKED_MOVERS = {
    **{name: MOVERS_TABLE[name] for name in ("repository", "growth")},
    "rank": column.NumberColumn("Rank", format="localized", width=60),
    "rank_change": column.NumberColumn(
        "Places gained",
        format="localized",
        width=100,
        help="Against the span before; below zero: lost; a dash: not ranked then",
    ),
    **{name: shown for name, shown in MOVERS_TABLE.items() if name not in {"repository", "growth"}},
}
COLLECTED_REPOSITORIES = {
    "repository": column.LinkColumn("Repository", display_text=r"name=([^&]+)", width=210, pinned=True),
    "stars": column.NumberColumn("Stars", format="localized", width=90),
    "stars_30d": column.NumberColumn("In 30 days", format="localized", width=90, help="Growth up to the last refresh"),
    "forks": column.NumberColumn("Forks", format="localized", width=80),
    "language": column.TextColumn("Language", width=100),
    "checked_at": column.DatetimeColumn("Refreshed", format="YYYY-MM-DD", width=95, help="How old these numbers are"),
    "account": column.LinkColumn("Owner", display_text=r"login=([^&]+)", width=110, help="Opens the account page"),
    "source": column.TextColumn("Source", width=100),
    "description": column.TextColumn("Description", width=420),
}
CHANGES = {
    "detected_at": timestamp_column("Detected", width=130),
    "subject": SUBJECT_COLUMN | {"width": 220},
    "what": column.TextColumn("What happened", width=190),
    "before": column.TextColumn("Before", width=160),
    "after": column.TextColumn("After", width=160),
}
CHANGE_COUNTS = {
    "what": column.TextColumn("What happened", width=190),
    "changes": column.NumberColumn("Since then", format="localized", width=90),
    "changes_vs": column.NumberColumn("Before", format="localized", width=90),
    "changes_difference": column.NumberColumn("Difference", format="localized", width=85),
    "changes_percent": column.NumberColumn("Change, %", format=ONE_DECIMAL, width=85),
}
OVERDUE_ACCOUNTS = {
    "login": column.TextColumn("Account", width=120),
    "state": column.TextColumn("State", width=60),
    "checked_at": timestamp_column("Last refreshed", width=160),
    "every": column.TextColumn("Every", width=60, help="Its own interval between two refreshes"),
    "failures": column.NumberColumn("Failed", format="localized", width=60, help="Times in a row"),
}
REPOSITORIES = {
    "repository": column.LinkColumn("Repository", display_text=r"name=[^/]+/([^&]+)", width=200, pinned=True),
    "stars": column.NumberColumn("Stars", format="localized", width=75),
    "account": column.LinkColumn("Owner", display_text=r"login=([^&]+)", width=105, help="Opens the account page"),
    "language": column.TextColumn("Language", width=90),
    "stars_7d": column.NumberColumn(
        "In 7 days", format="localized", width=75, help="Stars gained in the 7 days before the last refresh"
    ),
    "stars_30d": column.NumberColumn(
        "In 30 days", format="localized", width=82, help="Stars gained in the 30 days before the last refresh"
    ),
    "forks": column.NumberColumn("Forks", format="localized", width=70),
    "checked_at": column.DatetimeColumn(
        "Refreshed", format="YYYY-MM-DD", width=95, help="The last refresh: how old these numbers are"
    ),
    "pushed_at": column.DatetimeColumn("Pushed", format="YYYY-MM-DD", width=95),
    "watchers": column.NumberColumn("Watchers", format="localized", width=80),
    "open_issues": column.NumberColumn(
        "Open issues",
        format="localized",
        width=95,
        help="Without change requests; a dash where GitHub reported only the sum",
    ),
    "size_kb": column.NumberColumn("Size, kB", format="localized", width=85, help="As GitHub reports it"),
    "license": column.TextColumn("Licence", width=95),
    "topics": column.TextColumn("Topics", width=170),
    "state": column.TextColumn("State", width=120, help="archived, fork, deleted (or private)"),
    "source": column.TextColumn(
        "Source", width=110, help="GitHub: refreshed by this installation; others: imported history"
    ),
    "description": column.TextColumn("Description", width=420),
}
BURSTS = {
    "first_day": column.DateColumn("From", format="YYYY-MM-DD", width=90),
    "last_day": column.DateColumn("To", format="YYYY-MM-DD", width=90),
    "stars": column.NumberColumn("Stars", format="localized", width=80),
    "peak": column.NumberColumn("Best day", format="localized", width=80),
    "usual": column.NumberColumn("Usual day", format=ONE_DECIMAL, width=80, help="Median of the 90 days before"),
    "nearby": column.TextColumn("Nearest release or change", width="large"),
}
RELEASES = {
    "tag": column.TextColumn("Release", width=130),
    "published_at": column.DatetimeColumn("Published", format="YYYY-MM-DD", width=95),
    "name": column.TextColumn("Name", width="medium"),
    "is_prerelease": column.CheckboxColumn("Prerelease", width=85),
    "downloads": column.NumberColumn("Downloads", format="localized", width=95, help="Of all its files together"),
}
CONTRIBUTORS = {
    "login": column.TextColumn("Contributor", width=150),
    "commits": column.NumberColumn("Commits", format="localized", width=85),
    "share": share_bar("Of all", width=110),
    "activity": column.TextColumn("Lately", width=80, help="new, returning, active or inactive in the last 90 days"),
    "is_bot": column.CheckboxColumn("Bot", width=60),
}
REPOSITORY_CHANGES = {
    "detected_at": timestamp_column("Detected", width=130),
    "what": column.TextColumn("What happened", width=190),
    "before": column.TextColumn("Before", width=160),
    "after": column.TextColumn("After", width=160),
}
_COMPARED = {
    "stars": column.NumberColumn("Stars", format="localized", width=90),
    "difference": column.NumberColumn("Difference", format="localized", width=95, help="To the first one"),
    "difference_share": share_column("In percent", width=85),
    "gained": column.NumberColumn("Gained", format="localized", width=80),
    "forks": column.NumberColumn("Forks", format="localized", width=80),
}
_COMPARED_TO_PEERS = {
    "age_years": column.NumberColumn("Age, years", format=ONE_DECIMAL, width=85, help="At the last refresh"),
    "language": column.TextColumn("Language", width=105, help="Of an account: the one with most stars"),
    "rank": share_column("Ahead of", width=80, help="Of its peers: see Fair rank below"),
    "peers": column.NumberColumn("Peers", format="localized", width=70),
    "checked_at": column.DatetimeColumn("Refreshed", format="YYYY-MM-DD", width=95),
    "source": column.TextColumn("Source", width=100),
}
COMPARED_ACCOUNTS = {
    "link": column.LinkColumn("Account", display_text=r"login=([^&]+)", width=150, pinned=True),
    **_COMPARED,
    "followers": column.NumberColumn("Followers", format="localized", width=90),
    "repositories": column.NumberColumn("Repositories", format="localized", width=100),
    **_COMPARED_TO_PEERS,
}
COMPARED_REPOSITORIES = {
    "link": column.LinkColumn("Repository", display_text=r"name=([^&]+)", width=200, pinned=True),
    **_COMPARED,
    **_COMPARED_TO_PEERS,
}
KEY_PEOPLE = {
    "repository": column.LinkColumn("Repository", display_text=r"name=[^/]+/([^&]+)", width=190, pinned=True),
    "absence_factor": column.NumberColumn(
        "Absence factor", format="localized", width=110, help="The fewest people who made half of the commits"
    ),
    "stars": column.NumberColumn("Stars", format="localized", width=85),
    "contributors": column.NumberColumn("Contributors", format="localized", width=100),
    "top_contributor": column.TextColumn("Most commits by", width=150),
    "top_share": share_bar("Of all", width=110),
}
PEERS = {
    "account": column.LinkColumn("Account", display_text=r"login=([^&]+)", width=180),
    "is_self": column.CheckboxColumn("This one", width=80),
    "stars": column.NumberColumn("Stars", format="localized", width=100),
    "stars_30d": column.NumberColumn("In 30 days", format="localized", width=95),
    "repositories": column.NumberColumn("Repositories", format="localized", width=105),
    "kind": column.TextColumn("Kind", width=110),
}
