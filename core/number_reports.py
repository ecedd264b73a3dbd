"""Reports of doubtful numbers: a person sends the cell with its query, values and rows; admins see and close them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from core.auth import audit
from core.auth.identity import Identity, Origin, require_role
from core.errors import BadInput, NotFound
from core.markup import is_storable

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_COMMENT_LENGTH = 1_000
MAX_STORED_ROWS = 20
MAX_STORED_TEXT = 20_000


@dataclass(frozen=True)
class DoubtedCell:
    """The cell of a page as the person saw it.

    url     path, query and anchor, without the host
    note    what the rows cover, as the cell says
    query   the SQL with names of bound values; empty without one
    values  what was bound
    """

    url: str
    question: str
    note: str
    rows: "DataFrame"
    data_version: int
    query: str = ""
    values: Mapping[str, object] | None = None


def check_comment(comment: str) -> str:
    """Return *comment* without spaces around it. Raises BadInput without one, or where it cannot be stored."""
    written = comment.strip()
    if not written:
        raise BadInput("Write what is wrong with the number")
    if len(written) > MAX_COMMENT_LENGTH:
        raise BadInput(f"A comment has at most {MAX_COMMENT_LENGTH:,} characters")
    if not is_storable(written):
        raise BadInput("A comment holds characters that cannot be stored")
    return written


def submit(
    connection: Connection, identity: Identity, cell: DoubtedCell, comment: str, now: datetime, origin: Origin
) -> int:
    """Store a report and return its number. The caller checks the rate limit. Raises BadInput as `check_comment`."""
    written = check_comment(comment)
    first_rows = cell.rows.head(MAX_STORED_ROWS).to_json(orient="records", date_format="iso", default_handler=str)
    report_id: int = connection.execute(
        text(
            "INSERT INTO report (person_id, url, question, note, query, bound, rows, row_count, data_version, comment,"
            " reported_at) VALUES (:person_id, :url, :question, :note, nullif(:query, ''), CAST(:bound AS jsonb),"
            " CAST(:rows AS jsonb), :row_count, :data_version, :comment, :now) RETURNING id"
        ),
        {
            "person_id": identity.person_id,
            "url": cell.url[:MAX_STORED_TEXT],
            "question": cell.question,
            "note": cell.note,
            "query": cell.query,
            "bound": json.dumps({name: str(value)[:MAX_STORED_TEXT] for name, value in (cell.values or {}).items()}),
            "rows": first_rows,
            "row_count": len(cell.rows),
            "data_version": cell.data_version,
            "comment": written,
            "now": now,
        },
    ).scalar_one()
    _audit(connection, "number_reported", identity, report_id, origin)
    return report_id


def close(connection: Connection, admin: Identity, report_id: int, now: datetime, origin: Origin) -> None:
    """Close a report. Raises Forbidden, and NotFound where it does not exist or was closed already."""
    require_role(admin, "admin")
    closed = connection.execute(
        text("UPDATE report SET closed_at = :now, closed_by = :by WHERE id = :id AND closed_at IS NULL"),
        {"id": report_id, "now": now, "by": admin.username},
    )
    if not closed.rowcount:
        raise NotFound("This report is closed already")
    _audit(connection, "report_closed", admin, report_id, origin)


def _audit(connection: Connection, action: audit.Action, identity: Identity, report_id: int, origin: Origin) -> None:
    audit.record(
        connection,
        action,
        actor=identity.username,
        person_id=identity.person_id,
        target=f"report {report_id}",
        origin=origin,
    )
