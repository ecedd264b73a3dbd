"""Fetch the complete star history of repositories and print the result."""

from collections.abc import Sequence

from rich.table import Table
from sqlalchemy import Engine, text

from core.errors import BadInput
from ingest.cli import output
from ingest.enrichment.job import Enricher
from ingest.github.http.rate_gate import StopSignal

SELECT_STAR_HISTORY = """
    SELECT full_name, first_day, completed_at IS NOT NULL AS is_complete, coalesce(sum(latest.stars), 0) AS stars
      FROM repository
      JOIN star_backfill ON star_backfill.repository_id = repository.id
      LEFT JOIN LATERAL (SELECT DISTINCT ON (day) stars FROM star_day WHERE star_day.repository_id = repository.id
                          ORDER BY day, captured_at DESC) AS latest ON true
     WHERE repository.id = ANY(:ids) GROUP BY repository.id, star_backfill.repository_id ORDER BY full_name
"""


def fetch_star_history(enricher: Enricher, names: Sequence[str], stop: StopSignal) -> bool:
    """Fetch the star history of stored repositories and print a table; returns whether all of it is complete now.

    Raises BadInput for a repository that is not stored.
    """
    ids = _repository_ids(enricher.engine, names)
    newest = enricher.run("star_history", ids, stop=stop, force=True)
    backfill = enricher.run("star_backfill", ids, stop=stop)
    with enricher.engine.begin() as connection:
        rows = connection.execute(text(SELECT_STAR_HISTORY), {"ids": ids}).all()
    table = Table("Repository", "Since", "Complete", "Surviving stars", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.full_name, str(row.first_day), "yes" if row.is_complete else "not yet", f"{row.stars:,}")
    output.out.print(table)
    for stop_reason in (newest.stop_reason, backfill.stop_reason):
        if stop_reason:
            output.err.print(stop_reason)
    return len(rows) == len(ids) and all(row.is_complete for row in rows)


def _repository_ids(engine: Engine, names: Sequence[str]) -> list[int]:
    with engine.begin() as connection:
        rows = connection.execute(
            text("SELECT id, lower(full_name) AS name FROM repository WHERE lower(full_name) = ANY(:names)"),
            {"names": [name.lower() for name in names]},
        ).all()
    found = {row.name: row.id for row in rows}
    unknown = [name for name in names if name.lower() not in found]
    if unknown:
        raise BadInput(f"No data is stored for {', '.join(unknown)}. Refresh the account first.")
    return list(found.values())
