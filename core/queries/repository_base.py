"""Common table expressions with every stored repository and its counts, now or as of a timestamp.

Two expressions, for use behind `WITH`:

stored  one row per repository: repository_id, account_id, owner, full_name, description, license, topics, language,
        is_fork, is_archived, is_gone, created_at, pushed_at, stars, forks, size_kb, stars_7d, stars_30d, checked_at,
        source_id; now watchers and open_issues, too
extras  as of a timestamp, one row per repository whose watchers or issues were collected: repository_id, watchers,
        open_issues; see `stored_with_extras`

As of a timestamp, attributes are those of that time, and null where they are unknown: see `core.queries.attributes`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.queries.attributes import repositories_as_of
from core.queries.captures import (
    IMPORT_EXISTS,
    LAST_CAPTURE,
    LAST_OWN_CAPTURE_OF_ALL,
    PRESENCE_EXISTS,
    SPECIAL_LAST_CTE,
    import_exists,
    last_own_capture,
)
from core.queries.growth import (
    GROWTH_CTES,
    GROWTH_OF_ONE_CTES,
    NO_PLAIN_GROWTH,
    OWN_START_CTE,
    growth_values,
    with_plain_growth,
)
from core.queries.past_counts import NEWEST_CTE, NEWEST_OF_IDS_CTE, NEWEST_OF_ONE_CTE, OF_ID, OF_IDS

CURRENT_CTES = """
        stored AS (
            SELECT repository_id, account_id, owner, full_name, description, license, topics, language, is_fork,
                   is_archived, is_gone, created_at, pushed_at, stars, forks, size_kb, watchers, open_issues,
                   stars_7d, stars_30d, checked_at, source_id
              FROM repository_latest
        )"""

GROWTH_SHOWN = (7, 30)
GROWN_CTE = """grown AS (
            SELECT repository_id, max(growth) FILTER (WHERE days = 7) AS stars_7d,
                   max(growth) FILTER (WHERE days = 30) AS stars_30d
              FROM growth GROUP BY repository_id
        )"""


# When each account of `{accounts}` was last captured by us.
ACCOUNT_LAST_CTE = f"""account_last AS MATERIALIZED (
            SELECT account.id AS account_id, own.captured_at AS own_at
              FROM account
              LEFT JOIN LATERAL ({LAST_CAPTURE}) AS own ON true
             WHERE {{accounts}}
        )"""  # noqa: S608


def _counted_ctes(accounts: str, of_id: str = "") -> str:
    """Return `counts`, of `newest` and when each of the accounts was last captured."""
    return f"""{ACCOUNT_LAST_CTE.format(accounts=accounts)}, counts AS (
            SELECT repository_id, account_id, created_at, source_id, captured_at, stars, forks, size_kb,
                   CASE source_id WHEN 1 THEN captured_at END AS changed_at, {PRESENCE_EXISTS} AS is_special,
                   {import_exists(of_id)} AS is_imported,
                   greatest(captured_at, CASE source_id WHEN 1 THEN {last_own_capture(of_id)} END) AS checked_at
              FROM newest AS repository
              JOIN account_last USING (account_id)
        )"""  # noqa: S608


# With all columns of `newest`: one scan of the repositories, for their attributes too. What is grouped Postgres leaves
# out where nobody asks for captures.
_COUNTED = f"""
            SELECT repository.*, repository.account_id AS present_account_id,
                   CASE source_id WHEN 1 THEN repository.captured_at END AS changed_at,
                   {PRESENCE_EXISTS} AS is_special, {IMPORT_EXISTS} AS is_imported,
                   greatest(repository.captured_at, CASE source_id WHEN 1 THEN {LAST_OWN_CAPTURE_OF_ALL} END
                       ) AS checked_at
              FROM newest AS repository
              LEFT JOIN (SELECT account_id, max(own_at) AS own_at FROM account_last GROUP BY account_id) AS account_last
                ON account_last.account_id = repository.account_id"""  # noqa: S608
_LAST_CTES = f"""{ACCOUNT_LAST_CTE.format(accounts="true")}, {SPECIAL_LAST_CTE}"""
_COUNTED_OF_ALL_CTES = f"""{_LAST_CTES}, counts AS (
            SELECT counted.*, {NO_PLAIN_GROWTH} FROM ({_COUNTED}) AS counted
        )"""  # noqa: S608
_GROWN_OF_ALL_CTES = f"""{_LAST_CTES}, {OWN_START_CTE}, counts AS ({with_plain_growth(_COUNTED)}
        )"""


# The CTE `subject` of GROWTH_CTES, of a table with columns of `counts`.
_SUBJECT = """
            SELECT repository_id, {account_id} AS account_id, created_at, stars, changed_at, checked_at AS until_at,
                   is_special, is_imported
              FROM {table}
             WHERE {chosen}"""

_OWNERS = "account.id IN (SELECT account_id FROM repository WHERE id {condition})"

_SELECTED_AS_OF_CTES = f"""{{newest}}, {{counted}},
        subject AS MATERIALIZED ({_SUBJECT.format(table="counts", account_id="account_id", chosen="true")}
        ), {{growth}}, {GROWN_CTE}, grown_counts AS MATERIALIZED (
            SELECT counts.*, stars_7d, stars_30d
              FROM counts
              FULL JOIN grown ON grown.repository_id = counts.repository_id
        )"""  # noqa: S608
SELECTED_AS_OF_CTES = _SELECTED_AS_OF_CTES.format(
    newest=NEWEST_OF_IDS_CTE, counted=_counted_ctes(_OWNERS.format(condition=OF_IDS)), growth=GROWTH_CTES
)
"""For the repositories `:ids`: their counts by `:until` and their growth. Our own counts come before imported ones."""
ONE_AS_OF_CTES = _SELECTED_AS_OF_CTES.format(
    newest=NEWEST_OF_ONE_CTE, counted=_counted_ctes(_OWNERS.format(condition=OF_ID), OF_ID), growth=GROWTH_OF_ONE_CTES
)
"""The same for the repository `:id`."""

_COUNTS = """stars, forks, size_kb, checked_at, source_id, changed_at, present_account_id, is_special, is_imported,
                   plain_growth"""
_KNOWN_AS_OF_CTES = f"""{NEWEST_CTE}, {{counted}}, {{name}} AS (
            SELECT repository_id, account_id, split_part(full_name, '/', 1) AS owner, full_name, description, license,
                   topics, present_language(primary_language) AS language, is_fork, is_archived, is_gone, created_at,
                   pushed_at, {_COUNTS}
              FROM {repositories_as_of(table="counts", more_columns=f", {_COUNTS}")} AS known
        )"""  # noqa: S608

GROWTH_COLUMNS = "changed_at, created_at, present_account_id, is_special, is_imported, plain_growth"
"""Columns of `counts_ctes` as of a timestamp that `grown_ctes` needs beside repository_id, stars and checked_at."""
_SUBJECT_OF_TABLE = _SUBJECT.format(table="{table}", account_id="present_account_id", chosen="plain_growth IS NULL")
_GROWTH_OF_TABLE_CTES = f"""subject AS MATERIALIZED ({_SUBJECT_OF_TABLE}
        ), {GROWTH_CTES}"""
_SHOWN = ", ".join(
    f"coalesce(stars_{days}d, plain_growth[array_position(CAST(:days AS int[]), {days})]) AS stars_{days}d"
    for days in GROWTH_SHOWN
)
_GROWN_OF_TABLE_CTES = f"""{_GROWTH_OF_TABLE_CTES}, {GROWN_CTE}, {{name}} AS {{materialized}} (
            SELECT {{table}}.*, {_SHOWN}
              FROM {{table}}
              FULL JOIN grown ON grown.repository_id = {{table}}.repository_id
        )"""  # noqa: S608
# By a list: Postgres reads these rows alone, where it could read all to join them.
_EXTRAS_CTE = """extras AS (
            SELECT DISTINCT ON (repository_id) repository_id, watchers, open_issues
              FROM repository_extra_snapshot
             WHERE captured_at <= :as_of AND repository_id = ANY(ARRAY(SELECT repository_id FROM {table}))
             -- Not `source_id DESC`: that names the second key in what Citus 12.1 sends to its nodes.
             ORDER BY repository_id, source_id = 1 DESC, captured_at DESC, -source_id
        )"""
# The same of many: to read all rows twice and join by hash is faster than to read them in order, or, as Postgres would
# where it expects few, to look up each in each partition: hence + 0.
_EXTRAS_OF_MANY = """extra_last AS (
            SELECT extra.repository_id, max(captured_at) FILTER (WHERE source_id = 1) AS own_at,
                   max(captured_at) AS any_at
              FROM repository_extra_snapshot AS extra
             WHERE captured_at <= :as_of AND {chosen}
             GROUP BY extra.repository_id
        ), extras AS (
            SELECT DISTINCT ON (repository_id) repository_id, watchers, open_issues
              FROM extra_last
              JOIN repository_extra_snapshot AS extra USING (repository_id)
             WHERE captured_at <= :as_of AND captured_at = coalesce(own_at, any_at)
               AND (source_id = 1) = (own_at IS NOT NULL)
             ORDER BY repository_id, source_id DESC
        )"""
_EXTRAS_OF_MANY_CTES = f"""chosen_id AS MATERIALIZED (
            SELECT repository_id FROM {{table}}
        ), {_EXTRAS_OF_MANY.format(chosen="repository_id + 0 IN (SELECT repository_id FROM chosen_id)")}"""  # noqa: S608
_GROWN_AS_OF_CTES = f"""{_KNOWN_AS_OF_CTES.format(name="known", counted="{counted}")}, matching AS MATERIALIZED (
            SELECT * FROM known WHERE {{matching}}
        ), {_GROWN_OF_TABLE_CTES.format(table="matching", name="stored", materialized="")},
        {{extras}}"""  # noqa: S608


def stored_with_extras(*, most: bool) -> str:
    """Return SQL for the rows of `repository_ctes` as of a timestamp, *most* being the same."""
    # FULL JOIN, where each row of `extras` has its counterpart, is by hash, however few rows Postgres expects.
    return f"stored {'LEFT' if most else 'FULL'} JOIN extras USING (repository_id)"


def _counted(*, grows: bool) -> str:
    return _GROWN_OF_ALL_CTES if grows else _COUNTED_OF_ALL_CTES


def repository_ctes(as_of: datetime | None, matching: str = "true", *, most: bool = True) -> str:
    """Return the expressions to select from; with a timestamp they need the values of `as_of_values`.

    matching  as of a timestamp `stored` has only the repositories that match this condition on its columns, growth
              excepted: what is left out costs nothing
    most      whether most repositories may match, so that growth is computed for all at once
    """
    if as_of is None:
        return CURRENT_CTES
    extras = _EXTRAS_OF_MANY.format(chosen="true") if most else _EXTRAS_OF_MANY_CTES.format(table="matching")
    return _GROWN_AS_OF_CTES.format(matching=matching, counted=_counted(grows=most), extras=extras)


def counts_ctes(as_of: datetime | None, *, grows: bool = False) -> str:
    """Return `stored` without growth as of a timestamp; the same values.

    grows  whether growth of most of its rows will be asked for: much of it is then in `plain_growth`
    """
    return CURRENT_CTES if as_of is None else _KNOWN_AS_OF_CTES.format(name="stored", counted=_counted(grows=grows))


def growth_of_ctes(table: str) -> str:
    """Return `growth` of the repositories without `plain_growth` in *table*, rows of `counts_ctes` as of a timestamp.

    It needs GROWTH_COLUMNS; the same values.
    """
    return _GROWTH_OF_TABLE_CTES.format(table=table)


def grown_ctes(as_of: datetime | None, table: str) -> str:
    """Return `grown_row`: the rows of *table*, rows of `counts_ctes`, with growth as of a timestamp, too.

    It needs GROWTH_COLUMNS; the same values.
    """
    if as_of is None:
        return f"grown_row AS (SELECT * FROM {table})"  # noqa: S608
    return _GROWN_OF_TABLE_CTES.format(table=table, name="grown_row", materialized="MATERIALIZED")


def growing_ctes(as_of: datetime | None, matching: str, more_columns: str, *, most: bool) -> str:
    """Return `grown_row`: stars and growth of the repositories that match a condition on columns of `counts_ctes`.

    repository_id, stars, checked_at, *more_columns* and growth, no others: Postgres writes rows of the past down, to
    disk where they are many. It needs the values of `as_of_values`. *most* as in `repository_ctes`.
    """
    columns = f"repository_id, stars, checked_at, {more_columns}"
    if as_of is None:
        return f"{CURRENT_CTES}, grown_row AS (SELECT {columns}, stars_7d, stars_30d FROM stored WHERE {matching})"  # noqa: S608
    return f"""{counts_ctes(as_of, grows=most)}, matching AS MATERIALIZED (
            SELECT {columns}, {GROWTH_COLUMNS} FROM stored WHERE {matching}
        ), {grown_ctes(as_of, "matching")}"""  # noqa: S608


def extended_ctes(table: str, *, many: bool) -> str:
    """Return `extended_row`: the rows of *table*, with watchers and open issues as of a timestamp; the same values.

    many  whether these are more rows than a page
    """
    extras = (_EXTRAS_OF_MANY_CTES if many else _EXTRAS_CTE).format(table=table)
    return f"""{extras}, extended_row AS MATERIALIZED (
            SELECT {table}.*, watchers, open_issues
              FROM {table}
              FULL JOIN extras ON extras.repository_id = {table}.repository_id
        )"""  # noqa: S608


def as_of_values(as_of: datetime | None, days: Sequence[int] = GROWTH_SHOWN) -> dict[str, Any]:
    """Return the bound values that `repository_ctes` needs; *days*: where fewer are shown, the others are null."""
    return {} if as_of is None else selected_as_of_values(as_of) | growth_values(days)


def selected_as_of_values(as_of: datetime) -> dict[str, Any]:
    """Return the bound values that SELECTED_AS_OF_CTES and attributes of then need, besides `ids`."""
    return {"as_of": as_of, "until": as_of, **growth_values(GROWTH_SHOWN)}
