"""What a request asks for, and how it is answered: as JSON, CSV or Parquet, with a tag until when it is true."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from core.auth.identity import Identity, require_role
from core.db.data_version import data_version
from core.db.frames import pin_version
from core.ratelimit import limiter
from core.web.api import as_of as api_as_of
from core.web.api import cursors
from core.web.api.cursors import CursorPosition

if TYPE_CHECKING:
    from pandas import DataFrame

Format = Literal["json", "csv", "parquet"]
MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
RESPONSE_VERSION = 1
"""Raised when the same rows are answered otherwise: what clients keep of the old answers is then asked for anew."""
MAX_EXPORT_ROWS = 100_000
"""In one file; X-Complete says whether these are all."""
UNSAFE_FILENAME_CHARACTERS = re.compile(r"[^\w.-]", re.ASCII)
PAGING_PARAMS = {"cursor", "limit"}


class NotModified(Exception):
    """The asker holds the answer already."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        super().__init__("unchanged")


def signed_in_identity(request: Request) -> Identity:
    return require_role(getattr(request.state, "identity", None))


def admin_identity(request: Request) -> Identity:
    return require_role(getattr(request.state, "identity", None), "admin")


SignedInIdentity = Annotated[Identity, Depends(signed_in_identity)]
AdminIdentity = Annotated[Identity, Depends(admin_identity)]
AsOf = Annotated[
    str | None,
    Query(
        description="Read everything as it was then: a date, which means its end (UTC), or an RFC 3339 moment.",
        examples=["2026-10-31"],
    ),
]


@dataclass(frozen=True)
class ReadRequest:
    """One question about what is held."""

    identity: Identity
    path: str
    params: tuple[tuple[str, str], ...]
    known: tuple[str, ...]
    form: Format
    as_of: datetime | None
    version: int

    def tag(self, *more: object) -> str:
        """Names the answer: another question, data version or *more* has another."""
        asked = repr((RESPONSE_VERSION, self.version, self.path, self.params, more))
        return f'"{sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'

    def check(self, *more: object) -> None:
        """Raises Unchanged when the asker holds what would be answered."""
        if self.known and (self.tag(*more) in self.known or "*" in self.known):
            raise NotModified(self.tag(*more))

    def headers(self, *more: object) -> dict[str, str]:
        return {"etag": self.tag(*more), "cache-control": "private, no-cache"}

    @property
    def query_key(self) -> str:
        """What is asked, wherever in the list."""
        return repr((RESPONSE_VERSION, self.path, [pair for pair in self.params if pair[0] not in PAGING_PARAMS]))


@dataclass(frozen=True)
class ListRequest(ReadRequest):
    """A question that is answered with rows."""

    limit: int = 100
    cursor: str | None = None

    @property
    def after(self) -> CursorPosition | None:
        return cursors.decode_cursor(self.query_key, self.cursor) if self.cursor else None


async def unchecked_read_request(request: Request, identity: SignedInIdentity, as_of: AsOf = None) -> ReadRequest:
    """The question; everything in it is read from one data version."""
    moment = api_as_of.parse_as_of(as_of, datetime.now(UTC)) if as_of is not None else None
    version = await run_in_threadpool(data_version)
    # Set in the task that answers, so that the endpoint's thread takes it along.
    pin_version(version)
    held = request.headers.get("if-none-match", "")
    return ReadRequest(
        identity=identity,
        path=request.url.path,
        params=tuple(sorted(request.query_params.multi_items())),
        # A compressed answer's tag is the same one, called weak.
        known=tuple(tag.strip().removeprefix("W/") for tag in held.split(",") if tag.strip()),
        form=route_format(request),
        as_of=moment,
        version=version,
    )


def route_format(request: Request) -> Format:
    """What the route is for; a name in the address that ends in .csv says nothing."""
    route = getattr(request.scope.get("route"), "path", "")
    return "csv" if route.endswith(".csv") else "parquet" if route.endswith(".parquet") else "json"


async def checked_read_request(asked: Annotated[ReadRequest, Depends(unchecked_read_request)]) -> ReadRequest:
    asked.check()
    return asked


async def checked_list_request(
    asked: Annotated[ReadRequest, Depends(checked_read_request)],
    limit: Annotated[int, Query(ge=1, le=1000, description="How many rows at once.")] = 100,
    cursor: Annotated[
        str | None, Query(description="Where to go on: `next_cursor` of the answer before, with everything else alike.")
    ] = None,
) -> ListRequest:
    wanted = ListRequest(**vars(asked), limit=limit, cursor=cursor)
    await run_in_threadpool(check_export_and_cursor, wanted)
    return wanted


def check_export_and_cursor(asked: ListRequest) -> None:
    """Count a file against who asks for it, before it is made; see that a cursor is one of ours."""
    if asked.form != "json" and not is_scene_path(asked.path):
        limiter.check("export", str(asked.identity.person_id))
    if asked.cursor is not None:
        cursors.decode_cursor(asked.query_key, asked.cursor)


def is_scene_path(path: str) -> bool:
    """Whether a page's own picture asks for it: looking is not exporting."""
    return "/v1/scene/" in path


CheckedReadRequest = Annotated[ReadRequest, Depends(checked_read_request)]
UncheckedReadRequest = Annotated[ReadRequest, Depends(unchecked_read_request)]
CheckedListRequest = Annotated[ListRequest, Depends(checked_list_request)]


def json_response(body: BaseModel, asked: ReadRequest, *more: object) -> Response:
    """One object."""
    return Response(body.model_dump_json(), media_type=MEDIA_TYPES["json"], headers=asked.headers(*more))


def rows_response(
    asked: ListRequest, frame: "DataFrame", page: type[BaseModel], order: Sequence[str], **more: object
) -> Response:
    """The rows of *frame*: those of one page as JSON, all of them as a file.

    page   the envelope, whose `data` says what a row looks like
    order  columns that tell every two rows apart; `-` before a name: the greatest first
    """
    columns = list(row_model(page).model_fields)
    if asked.form != "json":
        return file_response(asked, frame, columns)
    places = [(place, at) for at, place in enumerate(sort_keys(frame, order))]
    places.sort()
    start = bisect_right(places, asked.after, key=lambda one: one[0]) if asked.cursor else 0
    chosen = places[start : start + asked.limit]
    is_last = start + asked.limit >= len(places)
    cursor = None if is_last else cursors.encode_cursor(asked.query_key, chosen[-1][0])
    return page_response(asked, frame.iloc[[at for _, at in chosen]][columns], page, cursor, **more)


def page_response(
    asked: ReadRequest, frame: "DataFrame", page: type[BaseModel], cursor: str | None, **more: object
) -> Response:
    body = {"data": records(frame), "next_cursor": cursor, "as_of": asked.as_of, "data_version": asked.version, **more}
    return json_response(page.model_validate(body), asked)


def row_model(page: type[BaseModel]) -> type[BaseModel]:
    """The model of the rows in an envelope."""
    model: type[BaseModel] = page.model_fields["data"].annotation.__args__[0]  # type: ignore[union-attr]
    return model


def file_response(
    asked: ReadRequest, frame: "DataFrame", columns: Sequence[str], kept: Mapping[str, str] | None = None
) -> Response:
    """The rows as a file; *kept* says how long it is true, where the data version does not."""
    from core import exports  # noqa: PLC0415 - pyarrow, for who asks for a file

    whole = frame[list(columns)]
    write = exports.csv if asked.form == "csv" else exports.parquet
    name = UNSAFE_FILENAME_CHARACTERS.sub("_", asked.path.strip("/").removeprefix("api/v1/").replace("/", "-"))
    headers = {
        **(asked.headers() if kept is None else kept),
        "content-disposition": f'attachment; filename="{name}"',
        "x-complete": "true" if len(whole) <= MAX_EXPORT_ROWS else "false",
    }
    return Response(write(whole.head(MAX_EXPORT_ROWS)), media_type=MEDIA_TYPES[asked.form], headers=headers)


def sort_keys(frame: "DataFrame", order: Sequence[str]) -> list[CursorPosition]:
    """The place of each row among the others, in an order that needs no database."""
    parts = [[sort_key_part(value, falls=name.startswith("-")) for value in frame[name.lstrip("-")]] for name in order]
    return [tuple(value for pair in row for value in pair) for row in zip(*parts, strict=True)]


def sort_key_part(value: Any, *, falls: bool) -> tuple[int, int | str]:
    """One value as part of a place; what is not known comes last."""
    if pd.isna(value):
        return (1, 0)
    if isinstance(value, str):
        return (0, value)
    number = int(value.timestamp() * 1_000_000) if isinstance(value, datetime) else int(value)
    return (0, -number if falls else number)


def records(frame: "DataFrame") -> list[dict[str, Any]]:
    """The rows as objects, with None for what is not known."""
    plain = frame.astype(object)
    known = plain.where(plain.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]
