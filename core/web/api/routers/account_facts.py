"""API routes of one account as a whole: its contribution calendar, the shape of its portfolio, its peers."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from core.analysis import portfolio as shape
from core.db.frames import first_record
from core.queries import account_portfolio, peers
from core.queries.account_portfolio import LanguageMeasure
from core.queries.peers import MIN_PEERS, NEAREST, Rank
from core.web.api.conditional import CheckedListRequest, records, rows_response
from core.web.api.pagination import ComparedRow, Page
from core.web.api.routers.accounts import Login, get_account
from core.web.api.row_formats import add_row_routes

router = APIRouter(tags=["accounts"])


class ContributionDay(ComparedRow):
    """Public contributions of a user on one day."""

    KEY = ("day",)
    COMPARED = ("contributions",)

    day: datetime = Field(description="Midnight of the day, UTC.")
    contributions: int


class Calendar(Page[ContributionDay]):
    """Contributions by day, oldest first, up to the last complete day; empty until collected, and of organizations."""

    login: str


class PortfolioRepository(ComparedRow):
    """A repository, its place on the Lorenz curve, and the people it depends on."""

    KEY = ("full_name",)
    COMPARED = ("stars", "contributors", "absence_factor")

    full_name: str
    language: str | None
    stars: int
    is_fork: bool | None
    repository_share: float = Field(description="Share of all repositories up to this one, fewest stars first.")
    star_share: float | None = Field(description="Share of all stars up to this one; null where none has a star.")
    contributors: int | None = Field(description="People and bots; null: not collected by then.")
    absence_factor: int | None = Field(description="CHAOSS Contributor Absence Factor.")
    top_contributor: str | None = Field(description="Who has most commits; null as of a time before the list was read.")
    top_share: float | None = Field(description="The share of all commits by people that this one made.")
    source: str


class LanguageShare(BaseModel):
    """One language of the portfolio."""

    language: str
    weight: int
    share: float | None


class Portfolio(Page[PortfolioRepository]):
    """The available repositories of an account, fewest stars first, and figures about them as a whole."""

    login: str
    repositories: int
    stars: int
    h_index: int = Field(description="The largest h for which h repositories have at least h stars.")
    gini: float | None = Field(description="Gini coefficient of stars; null where no repository has one.")
    known_contributors: int = Field(description="Repositories whose contributors were collected.")
    on_one_person: int = Field(description="Those of them with an absence factor of 1.")
    languages: list[LanguageShare] = Field(description="Most first; what has no language is left out.")
    shannon: float | None = Field(description="Shannon diversity of these shares, natural logarithm.")
    effective_languages: float | None = Field(description="Number of languages of equal share that are as diverse.")


class Peer(ComparedRow):
    """An account with the same main language and of the same age class."""

    KEY = ("login",)
    COMPARED = ("stars", "repositories", "stars_30d")

    login: str
    kind: str | None
    stars: int = Field(description="Total of its available repositories, forks included.")
    repositories: int
    stars_30d: int | None = Field(description="Stars gained by those of them whose growth is known.")
    is_self: bool


class Peers(Page[Peer]):
    """The account among its peers, most stars first."""

    login: str
    language: str | None = Field(description="Its language with most stars, forks left out.")
    age_class: str | None = Field(examples=["3 to 5 years"])
    unranked: str | None = Field(description="Why it has no peers: `age unknown` or `no language`; else null.")
    peers: int
    rank: float | None = Field(
        description=f"Share of the peers with fewer stars; equals count half. Null below {MIN_PEERS} peers."
    )


Forks = Annotated[bool, Query(description="Whether forks count.")]
By = Annotated[LanguageMeasure, Query(description="What the shares of languages are of.")]


def list_calendar(login: Login, read_request: CheckedListRequest) -> Response:
    account = get_account(login, read_request.as_of)
    rows = account_portfolio.contributions(account.account_id, read_request.as_of)
    return rows_response(
        read_request,
        rows,
        Calendar,
        ("day",),
        then=lambda vs: account_portfolio.contributions(account.account_id, vs),
        login=account.login,
    )


def list_portfolio(login: Login, read_request: CheckedListRequest, forks: Forks = False, by: By = "bytes") -> Response:
    account = get_account(login, read_request.as_of)
    rows = account_portfolio.repositories(account.account_id, read_request.as_of, forks=forks)
    figures, exposure = account_portfolio.shape_of(rows), account_portfolio.exposure_of(rows)
    languages = account_portfolio.language_shares(account.account_id, read_request.as_of, by, forks=forks)
    weights = [int(weight) for weight in languages["weight"]]
    return rows_response(
        read_request,
        rows,
        Portfolio,
        ("stars", "full_name"),
        then=lambda vs: account_portfolio.repositories(account.account_id, vs, forks=forks),
        login=account.login,
        repositories=figures.repositories,
        stars=figures.stars,
        h_index=figures.h_index,
        gini=figures.gini,
        known_contributors=exposure.known,
        on_one_person=exposure.on_one,
        languages=records(languages),
        shannon=shape.shannon(weights),
        effective_languages=shape.effective_number(weights),
    )


def list_peers(login: Login, read_request: CheckedListRequest) -> Response:
    account = get_account(login, read_request.as_of)
    rows = peers.nearest_accounts(account.account_id, read_request.as_of)
    rank = first_record(peers.account_ranks([account.account_id], read_request.as_of), Rank)
    own = {name: getattr(rank, name, None) for name in ("language", "age_class", "unranked", "rank")}
    count = rank.peers if rank else 0
    return rows_response(
        read_request,
        rows,
        Peers,
        ("-stars", "login"),
        then=lambda vs: peers.totals_of(list(rows["login"]), vs),
        login=account.login,
        peers=count,
        **own,
    )


for endpoint, page, summary in (
    (list_calendar, Calendar, "List a user's contributions by day."),
    (list_portfolio, Portfolio, "List an account's repositories with the shape of the portfolio."),
    (list_peers, Peers, f"List the {NEAREST} nearest peers of an account on either side."),
):
    subject = endpoint.__name__.removeprefix("list_")
    add_row_routes(
        router, f"/accounts/{{login}}/{subject}", endpoint, page=page, name=f"list_account_{subject}",
        summary=summary, statuses=(301, 404),
    )  # fmt: skip
