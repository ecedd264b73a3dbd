"""The migrated database equals core/db/schema; partitions."""

import re
from datetime import date
from itertools import pairwise
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from core.db import partitions
from core.db.schema import metadata
from core.db.schema_check import VIEWS

ROOT = Path(__file__).resolve().parents[3]
FOREIGN_TABLES = ("procrastinate", "alembic_version")


def is_ours(difference):
    name = str(difference)
    return not any(other in name for other in FOREIGN_TABLES) and "_snapshot_2" not in name and "_default" not in name


def test_the_migrated_database_equals_the_schema(database):
    context = MigrationContext.configure(database, opts={"compare_server_default": True, "compare_type": True})
    assert [difference for difference in compare_metadata(context, metadata) if is_ours(difference)] == []


def test_every_table_has_a_comment(database):
    uncommented = database.scalars(
        text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND relname = ANY(:names)"
             " AND obj_description(oid) IS NULL"),
        {"names": ["repository_presence", *VIEWS, *metadata.tables]},
    ).all()  # fmt: skip
    assert uncommented == []


def test_snapshots_without_a_monthly_partition_go_to_the_default_partition_and_are_counted(database):
    database.execute(
        text("INSERT INTO repository_snapshot_open (repository_id, captured_at, stars) VALUES (1, '2015-03-04Z', 5)")
    )
    assert partitions.count_default_rows(database) == 1


def test_partitions_are_created_once(database):
    assert partitions.ensure_partitions(database, date(2019, 11, 30), date(2020, 1, 1)) == 6
    assert partitions.ensure_partitions(database, date(2019, 11, 30), date(2020, 1, 1)) == 0


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 30))
def test_months_between_two_days_are_contiguous(first, later):
    last = partitions.first_of_month(first, months_later=later)
    months = list(partitions.months_between(first, last))
    assert len(months) == later + 1
    assert all(after == partitions.first_of_month(before, months_later=1) for before, after in pairwise(months))


def test_no_query_takes_all_closed_captures_apart():
    """The view `capture` is for people: joined, it unnests every month of every account. See core.queries.captures."""
    of_all = re.compile(r"\b(FROM|JOIN) capture\b")
    files = [path for folder in ("core", "ingest") for path in (ROOT / folder).rglob("*.*")]
    sources = [path for path in files if path.suffix in {".py", ".sql"}]
    assert len(sources) > 100
    assert [path.name for path in sources if of_all.search(path.read_text("utf-8"))] == []


def test_no_index_is_brin(database):
    """Postgres leaves rows out of one that a vacuum extends while a statement inserts: counts would be lost."""
    sql = "SELECT relname FROM pg_class JOIN pg_am ON pg_am.oid = relam WHERE relkind IN ('i', 'I') AND amname = 'brin'"
    assert database.scalars(text(sql)).all() == []
