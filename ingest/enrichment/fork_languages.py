"""Stores the languages of a fork, which refreshes leave out because no page shows them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from ingest.refresh import writer
from ingest.refresh.languages import FetchedLanguages, LanguageSignals

SELECT_SIGNALS = """
    SELECT pushed_at, default_branch, primary_language, size_kb
      FROM repository LEFT JOIN repository_current ON repository_id = repository.id WHERE repository.id = :id
"""


def store(connection: Connection, repository_id: int, reported: Mapping[str, int], at: datetime) -> int:
    """Store the languages if they differ; returns the rows written."""
    row = connection.execute(text(SELECT_SIGNALS), {"id": repository_id}).one()
    signals = LanguageSignals(**row._mapping)
    rows = writer.write_languages(connection, {repository_id: FetchedLanguages(reported, signals, at)})
    return rows.get(repository_id, 0)
