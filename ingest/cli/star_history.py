"""`python -m ingest star-history OWNER/NAME…`: a repository's stars by day, to the beginning, now."""

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


def fetch_star_history(reader: Enricher, names: Sequence[str], stop: StopSignal) -> bool:
    """Read the star history of repositories that are held, and print what is held then; whether all was read."""
    ids = _repository_ids(reader.engine, names)
    first = reader.run("star_history", ids, stop=stop, anew=True)
    walk = reader.run("star_backfill", ids, stop=stop)
    with reader.engine.begin() as connection:
        held = connection.execute(text(SELECT_STAR_HISTORY), {"ids": ids}).all()
    table = Table("Repository", "Since", "Whole", "Surviving stars", box=None, pad_edge=False)
    for row in held:
        table.add_row(row.full_name, str(row.first_day), "yes" if row.is_complete else "not yet", f"{row.stars:,}")
    output.out.print(table)
    for stop_reason in (first.stop_reason, walk.stop_reason):
        if stop_reason:
            output.err.print(stop_reason, markup=False)
    return len(held) == len(ids) and all(row.is_complete for row in held)


def _repository_ids(engine: Engine, names: Sequence[str]) -> list[int]:
    with engine.begin() as connection:
        rows = connection.execute(
            text("SELECT id, lower(full_name) AS name FROM repository WHERE lower(full_name) = ANY(:names)"),
            {"names": [name.lower() for name in names]},
        ).all()
    found = {row.name: row.id for row in rows}
    unknown = [name for name in names if name.lower() not in found]
    if unknown:
        raise BadInput(f"Nothing is held of {', '.join(unknown)}: refresh its account first")
    return list(found.values())
