"""API routes of what was collected about one repository: stars by day and their ledger, bursts, contributors …"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from core.analysis import bursts as burst_rules
from core.queries import changes, repository_facts, star_history, star_ledger
from core.web.api.conditional import CheckedListRequest, ListRequest, rows_response
from core.web.api.former_names import find_repository
from core.web.api.pagination import ComparedRow, Page
from core.web.api.routers.repositories import Name, Owner
from core.web.api.row_formats import add_row_routes

if TYPE_CHECKING:
    from pandas import DataFrame

router = APIRouter(tags=["repositories"])
PATH = "/repositories/{owner}/{name}"
HasAllDays = Annotated[bool, Field(description="False: days before the first one had not been read by then.")]


class Burst(ComparedRow):
    """Days in a row with far more stars than usual."""

    KEY = ("first_day",)
    COMPARED = ("stars", "peak")

    first_day: datetime = Field(description="Midnight of the day, which is one of America/Los_Angeles.")
    last_day: datetime
    stars: int = Field(description="Given on all these days and not withdrawn.")
    peak: int = Field(description="Given on the highest day.")
    usual: float = Field(description="Median of the 90 days before.")
    nearby: str = Field(
        description=f"The release or change nearest in time, at most {burst_rules.MAX_DISTANCE_DAYS} days away.",
        examples=[burst_rules.NOTHING_NEARBY],
    )


class Bursts(Page[Burst]):
    """Bursts, newest first."""

    full_name: str
    days: int = Field(description="Days with a known number of stars; 0: not collected yet.")
    is_complete: HasAllDays


class Contributor(ComparedRow):
    """One of the hundred contributors with most commits."""

    KEY = ("login",)
    COMPARED = ("commits",)

    login: str
    is_bot: bool
    commits: int
    share: float | None = Field(description="Of the commits by people; null for bots.")
    activity: Literal["new", "returning", "active", "inactive"] | None = Field(
        description="In the last 90 days; null where the list has not been read for long enough to tell."
    )


class Contributors(Page[Contributor]):
    """Contributors as last read, most commits first; empty as of a time before that."""

    full_name: str
    contributors: int | None = Field(description="People; null: not collected by then.")
    bots: int | None
    commits: int | None = Field(description="By people.")
    absence_factor: int | None = Field(
        description="CHAOSS Contributor Absence Factor: the fewest people who made half of the commits."
    )
    is_complete: bool | None = Field(description="Whether GitHub listed all of them.")


class Release(ComparedRow):
    """A release."""

    KEY = ("tag",)
    COMPARED = ("downloads",)

    tag: str
    name: str | None
    is_prerelease: bool
    published_at: datetime
    downloads: int | None = Field(description="Of all its files, when last read; null as of a time before that.")


class Releases(Page[Release]):
    """Releases published and not deleted by then, newest first."""

    full_name: str
    is_collected: bool = Field(description="False: no rows does not mean that there are none.")


class CommitWeek(ComparedRow):
    """Commits to the default branch in one complete week, merges excluded."""

    KEY = ("week",)
    COMPARED = ("commits",)

    week: datetime = Field(description="Midnight of its Monday, UTC.")
    commits: int


class Commits(Page[CommitWeek]):
    """Commits by week, oldest first; empty until collected."""

    full_name: str


class StarDay(ComparedRow):
    """Stars given on one day."""

    KEY = ("day",)
    COMPARED = ("stars",)

    day: datetime = Field(description="Midnight of the day, which is one of America/Los_Angeles.")
    stars: int = Field(description="Given on that day and not withdrawn when last read.")
    mean_7d: float | None = Field(description="Mean of the seven days up to that one; null on the first six.")


class StarDays(Page[StarDay]):
    """Stars by day of giving, from the first star to the last complete day, oldest first; empty until collected."""

    full_name: str
    is_complete: HasAllDays


class LedgerEntry(ComparedRow):
    """What GitHub reported of one day's stars over time."""

    KEY = ("day",)
    COMPARED = ("given", "withdrawn", "surviving")

    day: datetime = Field(description="Midnight of the day of giving, which is one of America/Los_Angeles.")
    given: int = Field(description="The first number reported, plus every later increase.")
    withdrawn: int = Field(description="Every decrease from one number reported to the next.")
    surviving: int = Field(description="Given minus withdrawn: what GitHub reported last.")
    first_read_at: datetime
    changed_at: datetime = Field(description="The last response that differed from the one before.")


class Ledger(Page[LedgerEntry]):
    """Days that had a star, oldest first; empty until collected."""

    full_name: str
    is_complete: HasAllDays
    given: int = Field(description="Over all days by then, not of this page of rows only.")
    withdrawn: int
    surviving: int


class Counts(ComparedRow):
    """Stars and forks from captured_at on."""

    KEY = ("source",)
    COMPARED = ("stars", "forks")
    IS_SERIES = True

    captured_at: datetime
    stars: int
    forks: int | None = Field(description="Null where an imported source has none.")
    source: str


class CountHistory(Page[Counts]):
    """Every observed change of stars or forks, oldest first; gaps are those of `stars`."""

    full_name: str


class Extras(ComparedRow):
    """Watchers, open issues and open change requests as reported at captured_at."""

    KEY = ("source",)
    COMPARED = ("watchers", "open_issues", "open_change_requests", "open_issues_and_change_requests")
    IS_SERIES = True

    captured_at: datetime
    watchers: int | None
    open_issues: int | None = Field(description="Without change requests.")
    open_change_requests: int | None
    open_issues_and_change_requests: int | None = Field(description="As GitHub adds them up.")
    source: str


class ExtraHistory(Page[Extras]):
    """Every response that differed from the one before, oldest first; asked for on a cadence of their own."""

    full_name: str


class LanguageBytes(ComparedRow):
    """Bytes of one language from `at` on."""

    KEY = ("language",)
    COMPARED = ("bytes",)
    IS_SERIES = True

    at: datetime
    language: str
    bytes: int


class LanguageHistory(Page[LanguageBytes]):
    """The whole set of languages whenever any of it differed from the response before, oldest first."""

    full_name: str


class TrafficDay(ComparedRow):
    """Views and clones on one day (UTC)."""

    KEY = ("day",)
    COMPARED = ("views", "clones")

    day: datetime
    views: int | None
    unique_views: int | None = Field(description="Unique visitors of several days cannot be added up.")
    clones: int | None
    unique_clones: int | None


class Traffic(Page[TrafficDay]):
    """Views and clones by day, oldest first; empty where no token may read them."""

    full_name: str


def list_star_days(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)
    return rows_response(
        read_request,
        repository_facts.stars_given(found.repository_id, read_request.as_of),
        StarDays,
        ("day",),
        then=lambda vs: repository_facts.stars_given(found.repository_id, vs),
        full_name=found.full_name,
        is_complete=repository_facts.has_all_star_days(found.repository_id, read_request.as_of),
    )


def list_ledger(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)
    rows = star_ledger.ledger(found.repository_id, read_request.as_of)
    sums = {column: int(rows[column].sum()) for column in ("given", "withdrawn", "surviving")}
    return rows_response(
        read_request,
        rows,
        Ledger,
        ("day",),
        then=lambda vs: star_ledger.ledger(found.repository_id, vs),
        full_name=found.full_name,
        is_complete=repository_facts.has_all_star_days(found.repository_id, read_request.as_of),
        **sums,
    )


def list_counts(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    return _listed(owner, name, read_request, star_history.star_series, CountHistory, ("captured_at", "source"))


def list_extras(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    return _listed(owner, name, read_request, star_history.extra_series, ExtraHistory, ("captured_at", "source"))


def list_languages(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)

    rows = repository_facts.languages_over_time(found.repository_id, read_request.as_of)
    return rows_response(
        read_request,
        rows,
        LanguageHistory,
        ("at", "-bytes", "language"),
        then=lambda vs: repository_facts.last_languages(found.repository_id, vs),
        full_name=found.full_name,
    )


def list_traffic(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    return _listed(owner, name, read_request, repository_facts.traffic, Traffic, ("day",))


def list_bursts(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)

    def bursts(at: datetime | None) -> "DataFrame":
        return repository_facts.star_bursts(
            repository_facts.stars_given(found.repository_id, at),
            repository_facts.releases(found.repository_id, at),
            changes.list_changes(at, repository_id=found.repository_id, limit=changes.MAX_OF_ONE),
        )

    return rows_response(
        read_request,
        bursts(read_request.as_of),
        Bursts,
        ("-first_day",),
        then=bursts,
        full_name=found.full_name,
        days=len(repository_facts.stars_given(found.repository_id, read_request.as_of)),
        is_complete=repository_facts.has_all_star_days(found.repository_id, read_request.as_of),
    )


def list_contributors(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)
    summary = repository_facts.contributor_summary(found.repository_id, read_request.as_of)
    rows = repository_facts.contributors(found.repository_id, read_request.as_of)
    names = ("contributors", "bots", "commits", "absence_factor", "is_complete")
    counts = {one: None if summary is None else getattr(summary, one) for one in names}
    return rows_response(
        read_request,
        rows,
        Contributors,
        ("-commits", "login"),
        then=lambda vs: repository_facts.contributors(found.repository_id, vs),
        full_name=found.full_name,
        **counts,
    )


def list_releases(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    found = find_repository(owner, name, read_request.as_of)
    return rows_response(
        read_request,
        repository_facts.releases(found.repository_id, read_request.as_of),
        Releases,
        ("-published_at", "tag"),
        then=lambda vs: repository_facts.releases(found.repository_id, vs),
        full_name=found.full_name,
        is_collected=repository_facts.was_collected(found.repository_id, "releases", read_request.as_of),
    )


def list_commits(owner: Owner, name: Name, read_request: CheckedListRequest) -> Response:
    return _listed(owner, name, read_request, repository_facts.weekly_commits, Commits, ("week",))


def _listed(
    owner: str,
    name: str,
    read_request: ListRequest,
    read_rows: "Callable[[int, datetime | None], DataFrame]",
    page: type[Page[Any]],
    order: tuple[str, ...],
) -> Response:
    found = find_repository(owner, name, read_request.as_of)
    rows = read_rows(found.repository_id, read_request.as_of)
    return rows_response(
        read_request,
        rows,
        page,
        order,
        then=lambda vs: read_rows(found.repository_id, vs),
        full_name=found.full_name,
    )


for endpoint, page, summary in (
    (list_bursts, Bursts, "List days with far more stars than usual."),
    (list_contributors, Contributors, "List a repository's contributors."),
    (list_releases, Releases, "List a repository's releases."),
    (list_commits, Commits, "List a repository's commits by week."),
    (list_star_days, StarDays, "List the stars a repository was given each day."),
    (list_ledger, Ledger, "List given, withdrawn and surviving stars by day of giving."),
    (list_counts, CountHistory, "List a repository's stars and forks over time."),
    (list_extras, ExtraHistory, "List a repository's watchers, open issues and open change requests over time."),
    (list_languages, LanguageHistory, "List a repository's languages over time."),
    (list_traffic, Traffic, "List views and clones of a repository by day."),
):
    subject = endpoint.__name__.removeprefix("list_")
    add_row_routes(
        router,
        f"{PATH}/{subject.replace('_', '-')}",
        endpoint,
        page=page,
        name=f"list_repository_{subject}",
        summary=summary,
        statuses=(301, 404),
    )
