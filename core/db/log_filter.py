"""Keep libraries from logging a traceback for every attempt to reach an unavailable Postgres."""

import logging

from core.db.errors import is_connection_error, is_statement_cancelled


def filter_connection_errors(*loggers: str) -> None:
    """Drop connection errors from the records of these loggers; the caller logs the outage once itself."""
    for name in loggers:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [ConnectionErrorFilterHandler()], False


class ConnectionErrorFilterHandler(logging.Handler):
    """Pass warnings and errors on to the root logger, except those about lost connections or cancelled statements."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.levelno < logging.WARNING or record.name == "psycopg.pool":
            return
        if not is_connection_error(error) and not is_statement_cancelled(error):
            logging.getLogger().handle(record)
