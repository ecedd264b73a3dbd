"""Closes the history of imports that were interrupted, so that reads of the past find it like that of others."""

from sqlalchemy import Connection

from core.db.data_version import announce_past_change
from ingest.history_import import adopt, aggregates
from ingest.refresh import closed_history


def close_interrupted_imports(connection: Connection) -> None:
    """Close what interrupted imports of known sources have left open; while an import runs nothing happens."""
    open_sources = closed_history.open_imported_sources(connection)
    if not open_sources or not adopt.try_block_all(connection):
        return
    for source_id in open_sources:
        aggregates.update_repository_imports(connection, source_id)
        closed_history.close_imported_history(connection, source_id)
    announce_past_change(connection)
