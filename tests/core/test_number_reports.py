"""Reports of doubtful numbers: stored with query, values and rows, closed once, by admins only, in the audit trail."""

import json
from datetime import UTC, datetime

import pytest
from pandas import DataFrame, Timestamp
from sqlalchemy import Connection, select

from core import number_reports
from core.auth.identity import Identity, Origin
from core.db import schema
from core.errors import BadInput, Forbidden, NotFound
from core.number_reports import MAX_COMMENT_LENGTH, MAX_STORED_ROWS, DoubtedCell
from core.queries import number_reports as queries

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = Origin("127.0.0.1", "tests")
CELL = DoubtedCell(
    url="/repository?name=octo%2Fcat#repository-stars",
    question="How many stars does it have?",
    note="as of now",
    rows=DataFrame({"day": [Timestamp("2026-01-01", tz="UTC")] * 30, "stars": range(30)}),
    data_version=7,
    query="SELECT 1 WHERE id = :id",
    values={"id": 3, "until": NOW},
)


@pytest.fixture
def people(database: Connection) -> tuple[Identity, Identity]:
    """An analyst and an admin."""

    def add(name: str, role: str) -> Identity:
        values = {"username": name, "role": role}
        person_id = database.execute(schema.person.insert().values(**values).returning(schema.person.c.id)).scalar_one()
        return Identity(person_id, name, role)  # type: ignore[arg-type]

    return add("ann", "analyst"), add("ada", "admin")


def test_a_report_holds_the_query_its_values_and_the_first_rows(database, people):
    ann, _ = people
    number = number_reports.submit(database, ann, CELL, "  <b>wrong</b> \u202e ", NOW, ORIGIN)
    (row,) = queries.reports(is_open=True, limit=5).to_dict("records")
    assert (row["id"], row["username"], row["question"], row["comment"]) == (
        number, "ann", CELL.question, "<b>wrong</b> \u202e",
    )  # fmt: skip
    assert row["query"] == CELL.query
    assert json.loads(row["bound"]) == {"id": "3", "until": "2026-03-01 12:00:00+00:00"}
    stored = json.loads(row["rows"])
    assert (len(stored), stored[1]["stars"], row["row_count"]) == (MAX_STORED_ROWS, 1, 30)


@pytest.mark.parametrize("comment", ["", " \n ", "x" * (MAX_COMMENT_LENGTH + 1), "a\x00b", "a\ud800b"])
def test_a_comment_that_says_nothing_or_cannot_be_stored_is_refused(database, people, comment):
    with pytest.raises(BadInput):
        number_reports.submit(database, people[0], CELL, comment, NOW, ORIGIN)
    assert queries.reports(is_open=True, limit=5).empty


def test_an_admin_closes_a_report_once(database, people):
    ann, ada = people
    number = number_reports.submit(database, ann, CELL, "wrong", NOW, ORIGIN)
    with pytest.raises(Forbidden):
        number_reports.close(database, ann, number, NOW, ORIGIN)
    number_reports.close(database, ada, number, NOW, ORIGIN)
    with pytest.raises(NotFound):
        number_reports.close(database, ada, number, NOW, ORIGIN)
    assert queries.reports(is_open=True, limit=5).empty
    assert list(queries.reports(is_open=False, limit=5)["closed_by"]) == ["ada"]
    actions = select(schema.audit_event.c.actor, schema.audit_event.c.action).order_by(schema.audit_event.c.id)
    assert [tuple(row) for row in database.execute(actions)] == [("ann", "number_reported"), ("ada", "report_closed")]
