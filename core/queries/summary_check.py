"""Compares the summaries that pages read with the rows that they are computed from."""

from sqlalchemy import Connection, text

from core.db.schema import GROWTH_DAYS, account_summary, repository_summary

OWN_GROWTH = {f"stars_{days}d" for days in GROWTH_DAYS}
"""Growth of our own counts is computed as it is written, see `core.queries.growth`; the view has none."""


def count_differences(connection: Connection) -> int:
    """Count the repositories and accounts whose summary is not what is computed from the other tables."""
    columns = {
        "repository": ", ".join(
            f"CASE WHEN source_id <> 1 THEN {column.name} END" if column.name in OWN_GROWTH else column.name
            for column in repository_summary.columns
        ),
        "account": ", ".join(column.name for column in account_summary.columns),
    }
    differing = 0
    for subject, names in columns.items():
        stored, computed = (
            f"SELECT {subject}_id, ROW({names}) AS content FROM {subject}_summary{suffix}"  # noqa: S608 - our own names
            for suffix in ("", "_computed")
        )
        sql = f"""
            SELECT count(*) FROM ({stored}) AS stored FULL JOIN ({computed}) AS computed USING ({subject}_id)
             WHERE stored.content IS DISTINCT FROM computed.content
        """  # noqa: S608
        differing += connection.execute(text(sql)).scalar_one()
    return differing
