"""SQL with its values written in as literals, for display only."""

import re
from datetime import date, datetime, timedelta

PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)")


def inline_parameters(sql: str, values: dict[str, object]) -> str:
    """Write *values* into *sql* as literals. Never execute the result: queries bind their values."""
    return PARAMETER.sub(lambda found: sql_literal(values[found[1]]) if found[1] in values else found[0], sql)


def sql_literal(value: object) -> str:
    """Format *value* as a Postgres literal."""
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(sql_literal(item) for item in value)}]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, timedelta):
        days, rest = value.days, value - timedelta(days=value.days)
        return f"INTERVAL '{days} days'" if not rest else f"INTERVAL '{value.total_seconds():f} seconds'"
    kind = "TIMESTAMPTZ " if isinstance(value, datetime) else "DATE " if isinstance(value, date) else ""
    return kind + "'" + str(value).replace("'", "''") + "'"
