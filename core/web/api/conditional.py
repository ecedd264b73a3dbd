"""Conditional reads: parse a read request, and answer it as JSON, CSV or Parquet with an ETag per data version."""

import hmac
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from core.as_of import parse_as_of, parse_vs
from core.auth.identity import Identity, require_role
from core.auth.signing_key import secret_key
from core.clock import now_utc
from core.db.data_version import data_version
from core.db.frames import pin_version
from core.ratelimit import limiter
from core.settings import settings
from core.web.api import cursors
from core.web.api.compared import compared_model, compared_order, compared_rows, row_model
from core.web.api.cursors import CursorPosition
from core.web.api.pagination import PAGING_PARAMS, Cursor, Limit

if TYPE_CHECKING:
    from pandas import DataFrame

Format = Literal["json", "csv", "parquet"]
MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
RESPONSE_VERSION = 2
"""Part of every ETag: increase it when the same rows are represented differently, so that clients' copies expire."""
MAX_EXPORT_ROWS = 100_000
"""Per file; the header X-Complete says whether these are all."""
UNSAFE_FILENAME_CHARACTERS = re.compile(r"[^\w.-]", re.ASCII)


class NotModified(Exception):
    """The client's copy is current; handled as a 304 response."""

    def __init__(self, etag: str) -> None:
        self.etag = etag
        super().__init__("not modified")


def signed_in_identity(request: Request) -> Identity:
    return require_role(getattr(request.state, "identity", None))


def may_start_work(request: Request) -> bool:
    """Return whether a GET may change anything: it has a bearer token, or a script of our own pages sent it.

    A browser adds the session's cookies to links and images of other sites too; over plain http it does not say so.
    """
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return True
    sent_by = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
    return sent_by in {("same-origin", "cors"), ("same-origin", "same-origin")}


def admin_identity(request: Request) -> Identity:
    return require_role(getattr(request.state, "identity", None), "admin")


SignedInIdentity = Annotated[Identity, Depends(signed_in_identity)]
AdminIdentity = Annotated[Identity, Depends(admin_identity)]
AsOf = Annotated[
    str | None,
    Query(
        description="Return the data as of a date (its end, UTC) or an RFC 3339 timestamp.",
        examples=["2026-10-31"],
    ),
]
Vs = Annotated[
    str | None,
    Query(
        description="Compare with the data as of an earlier time, written like `as_of`: beside each number its value"
        " then, the difference and the percent.",
        examples=["2025-10-31"],
    ),
]


@dataclass(frozen=True)
class ReadRequest:
    """A request for stored data: who asks, when, for what, in which format, at which data version.

    window_start  where the answer begins, if that moves with the time of the request
    """

    identity: Identity
    now: datetime
    path: str
    params: tuple[tuple[str, str], ...]
    if_none_match: tuple[str, ...]
    format: Format
    as_of: datetime | None
    vs: datetime | None
    version: int
    window_start: datetime | None = None

    def etag(self, *extra: object) -> str:
        """Return the ETag for this request: a digest of all that its response follows from.

        Current data are read until the end of today. *extra* is what else the data version does not cover.
        """
        today = self.now.date() if self.as_of is None else None
        asked = (self.path, self.params, self.identity.is_admin, today, self.window_start)
        configured = (settings().refresh_every, settings().base_url)
        identity = repr((RESPONSE_VERSION, self.version, asked, configured, extra))
        # With the key that cursors are encrypted with: those in a client's copy are then still valid.
        return f'"{hmac.digest(secret_key(), identity.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]}"'

    def check_modified(self, *extra: object) -> None:
        """Raise NotModified when the client has the current response."""
        if self.if_none_match and self.etag(*extra) in self.if_none_match:
            raise NotModified(self.etag(*extra))

    def headers(self, *extra: object) -> dict[str, str]:
        """Return the headers of a response that exists. Raises NotModified for `If-None-Match: *`, which means any."""
        if "*" in self.if_none_match:
            raise NotModified(self.etag(*extra))
        return {"etag": self.etag(*extra), "cache-control": "private, no-cache"}

    @property
    def query_key(self) -> str:
        """Identify the query regardless of the page: cursors belong to one."""
        return repr((RESPONSE_VERSION, self.path, [pair for pair in self.params if pair[0] not in PAGING_PARAMS]))


@dataclass(frozen=True)
class ListRequest(ReadRequest):
    """A request for rows, one page of them or all as a file."""

    limit: int = 100
    cursor: str | None = None

    @property
    def after(self) -> CursorPosition | None:
        return cursors.decode_cursor(self.query_key, self.cursor) if self.cursor else None


async def unchecked_read_request(
    request: Request, identity: SignedInIdentity, as_of: AsOf = None, vs: Vs = None
) -> ReadRequest:
    """Parse the request and pin the data version that all its queries read."""
    now = now_utc()
    at = parse_as_of(as_of, now) if as_of is not None else None
    compared_with = parse_vs(vs, now, at) if vs is not None else None
    version = await run_in_threadpool(data_version)
    # Set in the task of the request, so that the endpoint's thread inherits it.
    pin_version(version)
    if_none_match = request.headers.get("if-none-match", "")
    return ReadRequest(
        identity=identity,
        now=now,
        path=request.url.path,
        params=tuple(sorted(request.query_params.multi_items())),
        # Compressing proxies send our ETags back as weak ones.
        if_none_match=tuple(tag.strip().removeprefix("W/") for tag in if_none_match.split(",") if tag.strip()),
        format=route_format(request),
        as_of=at,
        vs=compared_with,
        version=version,
    )


def route_format(request: Request) -> Format:
    """Return the format of the matched route; a repository name in the path may end in .csv too."""
    route = getattr(request.scope.get("route"), "path", "")
    return "csv" if route.endswith(".csv") else "parquet" if route.endswith(".parquet") else "json"


async def checked_read_request(read_request: Annotated[ReadRequest, Depends(unchecked_read_request)]) -> ReadRequest:
    read_request.check_modified()
    return read_request


async def checked_list_request(
    read_request: Annotated[ReadRequest, Depends(checked_read_request)],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ListRequest:
    list_request = ListRequest(**vars(read_request), limit=limit, cursor=cursor)
    await run_in_threadpool(check_export_and_cursor, list_request)
    return list_request


def check_export_and_cursor(read_request: ListRequest) -> None:
    """Count a file against the person's export limit before it is built, and validate the cursor."""
    if read_request.format != "json" and not is_scene_path(read_request.path):
        limiter.check("export", str(read_request.identity.person_id))
    if read_request.cursor is not None:
        cursors.decode_cursor(read_request.query_key, read_request.cursor)


def is_scene_path(path: str) -> bool:
    """Return True for the data of the scene page, which is not counted as an export."""
    return "/v1/scene/" in path


CheckedReadRequest = Annotated[ReadRequest, Depends(checked_read_request)]
UncheckedReadRequest = Annotated[ReadRequest, Depends(unchecked_read_request)]
CheckedListRequest = Annotated[ListRequest, Depends(checked_list_request)]


def json_response(body: BaseModel, read_request: ReadRequest, *extra: object) -> Response:
    """Return one object; *extra* goes into its ETag."""
    return Response(body.model_dump_json(), media_type=MEDIA_TYPES["json"], headers=read_request.headers(*extra))


def rows_response(
    read_request: ListRequest,
    frame: "DataFrame",
    page: type[BaseModel],
    order: Sequence[str],
    *,
    then: Callable[[datetime], "DataFrame"],
    **extra: object,
) -> Response:
    """Return one page of *frame* as JSON, or all its rows as a file, in the same order.

    page   model of the envelope; the model in its `data` names the columns
    order  columns that define a total order; `-` before a name means descending
    then   reads the same rows as of `vs`
    extra  further fields of the envelope
    """
    if read_request.vs is not None:
        frame, order = compared_order(
            compared_rows(frame, then(read_request.vs), row_model(page)), row_model(page), order
        )
        page = compared_model(page)
    columns = list(row_model(page).model_fields)
    positions = [(key, row) for row, key in enumerate(sort_keys(frame, order))]
    positions.sort()
    if read_request.format != "json":
        return file_response(read_request, frame.iloc[[row for _, row in positions]], columns)
    start = bisect_right(positions, read_request.after, key=lambda position: position[0]) if read_request.cursor else 0
    selected = positions[start : start + read_request.limit]
    is_last = start + read_request.limit >= len(positions)
    cursor = None if is_last else cursors.encode_cursor(read_request.query_key, selected[-1][0])
    return page_response(read_request, frame.iloc[[row for _, row in selected]][columns], page, cursor, **extra)


def page_response(
    read_request: ReadRequest, frame: "DataFrame", page: type[BaseModel], cursor: str | None, **extra: object
) -> Response:
    body = {
        "data": records(frame),
        "next_cursor": cursor,
        "as_of": read_request.as_of,
        "vs": read_request.vs,
        "data_version": read_request.version,
        **extra,
    }
    return json_response(page.model_validate(body), read_request)


def file_response(
    read_request: ReadRequest,
    frame: "DataFrame",
    columns: Sequence[str],
    cache_headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the rows as a file; *cache_headers* replace the ETag where the data version does not cover the rows."""
    from core.export import table_files  # noqa: PLC0415 - loads pyarrow, needed for files only

    rows = frame[list(columns)]
    write = table_files.csv if read_request.format == "csv" else table_files.parquet
    name = UNSAFE_FILENAME_CHARACTERS.sub("_", read_request.path.strip("/").removeprefix("api/v1/").replace("/", "-"))
    headers = {
        **(read_request.headers() if cache_headers is None else cache_headers),
        "content-disposition": f'attachment; filename="{name}"',
        "x-complete": "true" if len(rows) <= MAX_EXPORT_ROWS else "false",
    }
    return Response(write(rows.head(MAX_EXPORT_ROWS)), media_type=MEDIA_TYPES[read_request.format], headers=headers)


def sort_keys(frame: "DataFrame", order: Sequence[str]) -> list[CursorPosition]:
    """Return each row's sort key; keys compare like rows of the total order *order*."""
    parts = [
        [sort_key_part(value, is_descending=name.startswith("-")) for value in frame[name.lstrip("-")]]
        for name in order
    ]
    return [tuple(value for pair in row for value in pair) for row in zip(*parts, strict=True)]


def sort_key_part(value: Any, *, is_descending: bool) -> tuple[int, float | str]:
    """Return the sort key of one value; missing values sort last."""
    if pd.isna(value):
        return (1, 0)
    if isinstance(value, str):
        return (0, value)
    number: float
    if isinstance(value, datetime):
        number = int(value.timestamp() * 1_000_000)
    else:
        number = float(value) if isinstance(value, float) else int(value)
    return (0, -number if is_descending else number)


def records(frame: "DataFrame") -> list[dict[str, Any]]:
    """Return the rows as dicts, with None for missing values."""
    objects = frame.astype(object)
    rows = objects.where(objects.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
