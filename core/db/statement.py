"""SQLAlchemy's `text`, built once per statement: each time it searches the whole of it for parameters."""

from functools import lru_cache

import sqlalchemy
from sqlalchemy import TextClause


@lru_cache(maxsize=512)
def text(sql: str) -> TextClause:
    """Return the statement; for those of a limited number, which a refresh executes again and again."""
    return sqlalchemy.text(sql)
