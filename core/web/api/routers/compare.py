"""API route of up to ten accounts or repositories side by side: `/compare`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from core.analysis.comparison import INDEX_DEFINITION, MAX_SUBJECTS, parse_names
from core.errors import BadInput, NotFound
from core.queries import compare as queries
from core.queries.compare import Align, Choice, Kind, Measure
from core.queries.peers import MIN_PEERS
from core.web.api.conditional import CheckedListRequest, records, rows_response
from core.web.api.former_names import NotCreatedYet
from core.web.api.pagination import ComparedRow, Page
from core.web.api.row_formats import add_row_routes

router = APIRouter(tags=["compare"])


class ComparedNumber(ComparedRow):
    """The last number of one account or repository on a day on which it changed."""

    KEY = ("name",)
    COMPARED = ("value",)
    IS_SERIES = True

    name: str = Field(description="A login or `owner/name`.", examples=["octocat/hello-world"])
    at: datetime = Field(description="When it was captured.")
    age_years: float | None = Field(description="Age at that time; null where the creation is unknown, and before it.")
    value: int
    indexed: float | None = Field(description=INDEX_DEFINITION.replace("**", "`", 1).replace("**", "`", 1))
    source: str


class Compared(ComparedRow):
    """The latest numbers of one account or repository."""

    KEY = ("name",)
    COMPARED = queries.COMPARED_COLUMNS

    name: str
    stars: int | None
    difference: int | None = Field(description="Stars minus those of the first one.")
    difference_share: float | None = Field(description="The same as a share of the first one's stars.")
    gained: int | None = Field(description="Stars gained in the `gained_days` up to checked_at; null where unknown.")
    gained_days: int | None
    forks: int | None
    followers: int | None = Field(description="Of an account; imported history has none.")
    repositories: int | None = Field(description="Of an account.")
    created_at: datetime | None
    age_years: float | None = Field(description="Age at checked_at.")
    checked_at: datetime | None = Field(description="The last capture.")
    source: str | None
    language: str | None = Field(description="Primary language; of an account the one with most stars.")
    age_class: str | None = Field(examples=["3 to 5 years"])
    unranked: str | None = Field(description="Why it has no peers: `fork`, `age unknown` or `no language`; else null.")
    peers: int = Field(description="Others with the same language and age class.")
    rank: float | None = Field(
        description="Share of the peers with fewer stars, from 0 to 1; equals count half. "
        f"Null below {MIN_PEERS} peers."
    )


class Comparison(Page[ComparedNumber]):
    """One measure of up to ten accounts or repositories over time, and their latest numbers."""

    kind: Kind
    measure: Measure
    compared: list[Compared] = Field(description="In the order asked for.")


With = Annotated[
    list[str],
    Query(
        alias="with",
        description=f"Up to {MAX_SUBJECTS} logins, or names like `owner/name`; repeatable or separated by commas.",
        examples=[["octocat/hello-world,octocat/spoon-knife"]],
    ),
]


def compare(
    read_request: CheckedListRequest,
    names: With,
    measure: Annotated[Measure, Query(description="`followers`: of accounts only.")] = "stars",
    align: Annotated[Align, Query(description="What the first common moment of `indexed` is sought by.")] = "date",
) -> Response:
    choice = chosen(names, read_request.as_of)
    if measure not in queries.MEASURES[choice.kind]:
        raise BadInput(f"Repositories have no {measure}; choose one of: {', '.join(queries.MEASURES[choice.kind])}")
    rows = queries.series(choice.subjects, measure, read_request.as_of)
    if vs := read_request.vs:
        differences = queries.compared_differences(choice.subjects, read_request.as_of, vs)
    else:
        differences = queries.differences(choice.subjects, read_request.as_of)
    intervals = queries.coverage_intervals(choice.subjects, read_request.as_of)
    return rows_response(
        read_request,
        queries.with_index(rows, intervals, choice.subjects, align).rows,
        Comparison,
        ("name", "at", "source"),
        kind=choice.kind,
        then=lambda vs: queries.series(choice.subjects, measure, vs),
        measure=measure,
        compared=records(differences),
    )


def chosen(names: list[str], as_of: datetime | None) -> Choice:
    """Return the subjects of *names*. Raises BadInput, NotFound and NotCreatedYet for the first that cannot be used."""
    asked = parse_names(names)
    if asked.invalid:
        raise BadInput(asked.invalid[0])
    if asked.left_out:
        count = len(asked.names) + asked.left_out
        raise BadInput(f"At most {MAX_SUBJECTS} accounts or repositories can be compared, not {count:,}")
    choice = queries.choose(asked.names, as_of)
    if choice.unknown:
        raise NotFound(f"No data is stored about {choice.unknown[0]}")
    if choice.not_created:
        raise NotCreatedYet(choice.not_created[0])
    if choice.other_kind:
        other = "a repository" if choice.kind == "account" else "an account"
        raise BadInput(
            f"Accounts and repositories cannot be compared with each other: {choice.other_kind[0]} is {other}"
        )
    if not choice.subjects:
        raise BadInput("Name at least one account or repository in the parameter with")
    return choice


add_row_routes(
    router,
    "/compare",
    compare,
    page=Comparison,
    name="compare",
    summary="Compare accounts or repositories over time.",
    statuses=(404,),
)
