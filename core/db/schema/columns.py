"""The schema's metadata and its recurring kinds of columns."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    func,
    literal_column,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def timestamp_column(name: str, *, required: bool = False, now: bool = False) -> Column[object]:
    return Column(
        name, DateTime(timezone=True), nullable=not (required or now), server_default=func.now() if now else None
    )


def id_column() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def foreign_key(name: str, target: str, *, required: bool = True, cascade: bool = False) -> Column[int]:
    return Column(
        name, BigInteger, ForeignKey(f"{target}.id", ondelete="CASCADE" if cascade else None), nullable=not required
    )


def repository_id_column() -> Column[int]:
    # No foreign key: Citus has none to a table that is spread over its nodes, except from another one that is. Whoever
    # deletes a repository deletes these rows.
    return Column("repository_id", BigInteger)


def source_id_column() -> Column[int]:
    # No foreign key: on tables with millions of rows each would cost a lookup per row.
    return Column("source_id", SmallInteger, nullable=False, server_default=text("1"))


def count_columns(*names: str) -> list[Column[int]]:
    return [Column(name, Integer) for name in names]


GROWTH_DAYS = (1, 7, 30, 90, 365)


def growth_columns() -> list[Column[int]]:
    """Return the columns of stars gained over each of GROWTH_DAYS up to the last capture; null where unknown."""
    return [Column(f"stars_{days}d", Integer) for days in GROWTH_DAYS]


def trigram_index(name: str, column: str) -> Index:
    """Return the index that serves LIKE with any pattern on *column* in lower case; needs the extension pg_trgm."""
    searched = func.lower(literal_column(column)).label("searched")
    return Index(name, searched, postgresql_using="gin", postgresql_ops={"searched": "gin_trgm_ops"})
