"""`/api/v1/scene/…`: the rows that the scene draws, fetched by the browser and kept by it as long as they are true."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from core.web.refusals import refusal

if TYPE_CHECKING:
    from pandas import DataFrame

PREFIX = "/api/v1/scene"
PLAN = 1
"""Raised when the same rows would be laid out otherwise: what browsers keep of the old plan is then asked for anew."""
A_YEAR = 365 * 24 * 3600
MOST_OWNERS = 400


class Wanted(BaseModel):
    """What the address asks for; the same names as in the page's own address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: Literal["towers", "districts"] = "towers"
    owners: Annotated[int, Field(ge=1, le=MOST_OWNERS)] = 60
    language: tuple[Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")], ...] = ()
    min_stars: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    height: Literal["stars", "growth"] = "stars"
    as_of: date | None = None
    v: str = ""

    @property
    def moment(self) -> datetime | None:
        return datetime.combine(self.as_of, time.max, UTC) if self.as_of else None

    def address(self) -> str:
        """Where the rows are: the parameters in a fixed order, defaults left out."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        pairs = [
            (name, one) for name, value in given.items() for one in (value if isinstance(value, list) else [value])
        ]
        return f"{PREFIX}/city.csv?{urlencode(pairs)}"


def edition(version: int) -> str:
    """What an address says about the rows behind it: another edition may be another city."""
    return f"{version}.{PLAN}"


FORMS: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}


def written(rows: "DataFrame", form: str) -> bytes:
    match form:
        case "csv":
            return rows.to_csv(index=False).encode()
        case "json":
            return rows.to_json(orient="records", force_ascii=False).encode()
    into = BytesIO()
    rows.to_parquet(into, index=False)
    return into.getvalue()


def built(wanted: Wanted) -> "DataFrame":
    """The rows of the wanted part."""
    # Imported when first asked: the server listens before the libraries have loaded.
    from core.charts import city, scene  # noqa: PLC0415
    from core.queries import scene as queries  # noqa: PLC0415

    choice = queries.Choice(wanted.owners, wanted.language, wanted.min_stars, wanted.moment)
    plan = city.build(queries.city(choice), wanted.height)
    return scene.towers(plan) if wanted.part == "towers" else scene.districts(plan)


def city_rows(request: Request) -> Response:
    """Answer with the towers or districts of the city that the address describes."""
    from core.database import data_version  # noqa: PLC0415 - as above

    form = request.path_params["form"]
    if form not in FORMS:
        return refusal(404, "not_found", f"A city comes as {', '.join(FORMS)}.")
    try:
        wanted = read(request)
    except ValidationError as error:
        return refusal(422, "bad_input", sentence(error))
    current = edition(data_version())
    headers = {"etag": etag(request.url.path, wanted, current), "cache-control": caching(wanted, current)}
    if headers["etag"] in known(request):
        return Response(status_code=304, headers=headers)
    return Response(written(built(wanted), form), media_type=FORMS[form], headers=headers)


def known(request: Request) -> list[str]:
    """The tags of what the asker has already; a compressed answer's tag is the same one, called weak."""
    return [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]


def read(request: Request) -> Wanted:
    """Read the parameters; `language` may be given more than once, everything else once."""
    given: dict[str, object] = dict(request.query_params)
    if languages := request.query_params.getlist("language"):
        given["language"] = tuple(languages)
    return Wanted.model_validate(given)


def sentence(error: ValidationError) -> str:
    """What is wrong with which parameter, without what was given: it comes from anybody."""
    return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()) + "."


def etag(path: str, wanted: Wanted, current: str) -> str:
    asked = f"{path} {wanted.model_dump_json(exclude={'v'})} {current}"
    return f'"{hashlib.sha256(asked.encode()).hexdigest()[:32]}"'


def caching(wanted: Wanted, current: str) -> str:
    """An address that names the edition it wants never changes what it says; any other is asked for each time."""
    return f"private, max-age={A_YEAR}, immutable" if wanted.v == current else "private, no-cache"


async def unknown_scene(_request: Request) -> Response:
    return refusal(404, "not_found", f"There is one scene: {PREFIX}/city, as {', '.join(FORMS)}.")


routes: list[BaseRoute] = [
    Route(f"{PREFIX}/city.{{form}}", city_rows, methods=["GET"]),
    Route(f"{PREFIX}/{{other:path}}", unknown_scene, methods=["GET"]),
]
