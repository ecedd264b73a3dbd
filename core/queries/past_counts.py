"""The counts of repositories at moments of the past: from closed months, and from the snapshots that came later.

`repository_month` has a row for each repository and month up to its source's `last_month`, so that the counts at a
moment are one element of one row, or those before the month. Only of imported repositories it has none after their own
last month: `repository_import` has their last counts. Snapshots that are not there yet are in
`repository_snapshot_open`, none of them before its source's `closed_until`. Each expression works whatever is closed:
nothing, all, or less than was closed before.
"""

SNAPSHOT_COLUMNS = ("captured_at", "stars", "forks", "size_kb")


def month_of(moment: str) -> str:
    """Return SQL for the month (UTC) of *moment*, as `repository_month` and `repository_snapshot` name it."""
    return f"date_trunc('month', ({moment}) AT TIME ZONE 'UTC')::date"


def closed_month(moment: str) -> str:
    """Return SQL for the month of `repository_month` that has the counts at *moment*; needs `source`."""
    return f"least(last_month, {month_of(moment)})"


def month_value(column: str, place: str, month: str = "month") -> str:
    """Return SQL for one of SNAPSHOT_COLUMNS at *place* of *month*, a row of `repository_month`; none: before it."""
    number = SNAPSHOT_COLUMNS.index(column)
    element, before = (f"counts[{place}][{number}]", f"{column}_before") if number else (
        f"captured_at[{place}]", "before_at"
    )  # fmt: skip
    return f"CASE WHEN {place} > 0 THEN {month}.{element} ELSE {month}.{before} END"


def month_columns(place: str) -> str:
    """Return SQL for all of SNAPSHOT_COLUMNS, as `month_value`."""
    return ", ".join(f"{month_value(column, place)} AS {column}" for column in SNAPSHOT_COLUMNS)


OF_IDS = "= ANY(CAST(:ids AS bigint[]))"
"""SQL: a condition to be put behind the id of a repository where `:ids` names a few."""
OF_ID = "= CAST(:id AS bigint)"
"""SQL: the same where `:id` names one. Put behind that of each table, in subqueries too, it lets Citus ask one node
alone, once, instead of all nodes for each expression; in functions below `of_id`, or nothing."""
_IS_OPEN = "captured_at >= coalesce((SELECT closed_until FROM source WHERE id = 1), '-infinity')"
"""SQL: true of all our rows of `repository_snapshot_open`: lets Postgres skip the partitions of closed months."""

# The newest counts of each repository by `:until`: source_id, captured_at, stars, forks, size_kb, beside repository_id
# and what `repository` says of now. Ours come before imported ones. LEFT JOIN rather than UNION ALL: Postgres then
# expects as many repositories as there are, and joins them by hash. Not FULL JOIN: its id, of one table or another, is
# no distribution key to Citus, which would join on one node.
_NEWEST_CTE = """newest AS (
            SELECT repository.id AS repository_id, repository.*,
                   coalesce(closed_source, open_source, imported_source) AS source_id, {newest_columns}
              FROM repository
              LEFT JOIN (
                    SELECT repository_id, 1 AS closed_source, {closed_columns}
                      FROM repository_month AS month
                     CROSS JOIN LATERAL (
                           SELECT width_bucket(CAST(:until AS timestamptz), month.captured_at) AS place) AS found
                     WHERE source_id = 1 AND (place > 0 OR before_at IS NOT NULL)
                       AND month = (SELECT {closed_month} FROM source WHERE id = 1) {chosen}) AS closed
                ON closed.repository_id = repository.id
              LEFT JOIN (
                    SELECT DISTINCT ON (repository_id) repository_id, 1 AS open_source, {open_columns}
                      FROM repository_snapshot_open
                     WHERE source_id = 1 AND captured_at <= :until AND {is_open} {chosen}
                     ORDER BY repository_id, captured_at DESC) AS open
                ON open.repository_id = repository.id
              LEFT JOIN (
                    SELECT DISTINCT ON (repository_id) repository_id, source_id AS imported_source, {imported_columns}
                      FROM ({imported}) AS imported
                     ORDER BY repository_id, captured_at DESC, source_id DESC) AS imported
                ON imported.repository_id = repository.id
             WHERE coalesce(closed_source, open_source, imported_source) IS NOT NULL {chosen_repository}
        )"""
_IMPORTED_ROWS = """
                        SELECT repository_id, source_id, {month_columns}
                          FROM source
                          JOIN repository_month AS month
                            ON source_id = source.id AND source.id <> 1 AND month = {closed_month}
                         CROSS JOIN LATERAL (
                               SELECT width_bucket(CAST(:until AS timestamptz), month.captured_at) AS place) AS found
                         WHERE (place > 0 OR before_at IS NOT NULL) {chosen}
                         UNION ALL
                        SELECT repository_id, source_id, last_at, stars, forks, NULL
                          FROM repository_import
                          JOIN source ON source.id = source_id
                         WHERE {last_imported_month} < {closed_month} {chosen}
                         UNION ALL
                        SELECT repository_id, source_id, captured_at, stars, forks, size_kb
                          FROM repository_snapshot_open
                          JOIN source ON source.id = source_id
                         WHERE source_id <> 1 AND captured_at <= :until
                           AND captured_at >= coalesce(closed_until, '-infinity')
                           -- This bound lets Postgres skip partitions.
                           AND captured_at >= (SELECT coalesce(min(coalesce(closed_until, '-infinity')), 'infinity')
                                                 FROM source WHERE id <> 1) {chosen}"""


# After a late refresh an open snapshot can be older than a closed one.
_NEWEST_COLUMN = """CASE
                       WHEN coalesce(closed_source, open_source) IS NULL THEN imported_{name}
                       WHEN open_source IS NULL OR closed_captured_at > open_captured_at THEN closed_{name}
                       ELSE open_{name} END AS {name}"""


def _newest_cte(condition: str = "") -> str:
    """Return the expression `newest`; *condition* is a further one on the repository's id, to be put behind it."""
    chosen = condition and f"AND repository_id {condition}"
    until_month = closed_month("CAST(:until AS timestamptz)")
    imported = _IMPORTED_ROWS.format(
        month_columns=month_columns("place"),
        closed_month=until_month,
        last_imported_month=month_of("last_at"),
        chosen=chosen,
    )
    return _NEWEST_CTE.format(
        newest_columns=", ".join(_NEWEST_COLUMN.format(name=name) for name in SNAPSHOT_COLUMNS),
        closed_columns=", ".join(f"{month_value(name, 'place')} AS closed_{name}" for name in SNAPSHOT_COLUMNS),
        open_columns=", ".join(f"{name} AS open_{name}" for name in SNAPSHOT_COLUMNS),
        imported_columns=", ".join(f"{name} AS imported_{name}" for name in SNAPSHOT_COLUMNS),
        imported=imported,
        closed_month=until_month,
        is_open=_IS_OPEN,
        chosen=chosen,
        chosen_repository=condition and f"AND repository.id {condition}",
    )


NEWEST_CTE = _newest_cte()
NEWEST_OF_IDS_CTE = _newest_cte(OF_IDS)
NEWEST_OF_ONE_CTE = _newest_cte(OF_ID)


# Our stars of many repositories at once, at `{moment}` of the chosen rows of `{rows}`, one for each `{key}`:
# `open_stars` of a snapshot that is not closed, `closed_stars` of one that is; the newer one counts.
_OWN_STARS_CTES = """{open}, {name}_wanted AS MATERIALIZED (
            -- Alone, for Citus, which expects as many rows as the bytes of all columns could be.
            SELECT repository_id, {key}, {moment}, {month} FROM {rows} WHERE {chosen}
        ), {name}_closed AS MATERIALIZED (
            SELECT repository_id, {key}, {closed_captured_at} AS closed_at, {closed_stars} AS closed_stars
              FROM {name}_wanted
              JOIN repository_month AS month USING (repository_id)
             WHERE source_id = 1 AND month.month = {month} {closed_of_id}
        )"""
# One sorted list a repository: paired with each of its moments, rows that are open for long would be many. In an
# expression of its own: where Postgres expects few rows, it would list all again for each of {rows}.
_OPEN_OF_MOMENTS_CTES = """{name}_list AS MATERIALIZED (
            SELECT repository_id, array_agg(snapshot.captured_at ORDER BY snapshot.captured_at) AS captured_at,
                   array_agg(snapshot.stars ORDER BY snapshot.captured_at) AS stars
              FROM (SELECT DISTINCT repository_id FROM {rows} WHERE {chosen}) AS one
              JOIN repository_snapshot_open AS snapshot USING (repository_id)
             WHERE source_id = 1 AND {is_open} {open_of_id}
               AND captured_at <= (SELECT max({moment}) FROM {rows} WHERE {chosen})
             GROUP BY repository_id
        ), {name}_open AS MATERIALIZED (
            SELECT repository_id, {key}, open.captured_at[place] AS open_at, open.stars[place] AS open_stars
              FROM {rows}
              JOIN {name}_list AS open USING (repository_id)
             CROSS JOIN LATERAL (SELECT width_bucket({moment}, open.captured_at) AS place) AS found
             WHERE {chosen} AND place > 0
        )"""
# Where each repository has one moment.
_OPEN_OF_MOMENT_CTE = """{name}_open AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, {key}) repository_id, {key}, snapshot.captured_at AS open_at,
                   snapshot.stars AS open_stars
              FROM {rows}
              JOIN repository_snapshot_open AS snapshot USING (repository_id)
             WHERE {chosen} AND source_id = 1 AND {is_open} {open_of_id}
               AND snapshot.captured_at <= {moment}
               AND snapshot.captured_at <= (SELECT max({moment}) FROM {rows} WHERE {chosen})
             ORDER BY repository_id, {key}, snapshot.captured_at DESC
        )"""
OWN_STARS = "CASE WHEN open_at IS NULL OR closed_at > open_at THEN closed_stars ELSE open_stars END"
"""SQL: our stars, of the rows of two such expressions joined."""


def _own_stars_ctes(
    name: str, rows: str, *, key: str, moment: str, month: str, chosen: str, of_id: str = "", one_moment: bool = False
) -> str:
    """Return the expressions `{name}_open` and `{name}_closed`: our stars of each repository in *rows* at a moment.

    key         column that tells the rows of one repository apart
    moment      column with the moment; *month* that with its `closed_month`
    chosen      a condition on the rows
    one_moment  whether the rows of a repository have the same moment
    """
    place = f"width_bucket({moment}, month.captured_at)"
    found_open = (_OPEN_OF_MOMENT_CTE if one_moment else _OPEN_OF_MOMENTS_CTES).format(
        name=name, rows=rows, key=key, moment=moment, chosen=chosen, is_open=_IS_OPEN,
        open_of_id=of_id and f"AND snapshot.repository_id {of_id}",
    )  # fmt: skip
    return _OWN_STARS_CTES.format(
        name=name, rows=rows, key=key, moment=moment, month=month, chosen=chosen, open=found_open,
        closed_of_id=of_id and f"AND month.repository_id {of_id}",
        closed_captured_at=month_value("captured_at", place), closed_stars=month_value("stars", place),
    )  # fmt: skip


def own_stars_at_start_ctes(of_id: str) -> str:
    """Return SQL for our stars of the rows of `start`, where they `may_differ` from those at the end."""
    return _own_stars_ctes(
        "own", "start", key="days", moment="start_at", month="start_month", chosen="may_differ", of_id=of_id
    )


OWN_STARS_BEFORE_CTES = _own_stars_ctes(
    "before", "captured", key="run_id", moment="earlier_at", month="earlier_month", chosen="is_changed", one_moment=True
)
"""SQL: our stars of the rows of `captured` that have changed, before they did."""
_PLACE_AT = "width_bucket(at, month.captured_at)"
OWN_STARS_AT_POINTS_CTES = f"""point_open AS MATERIALIZED (
            SELECT repository_id, steps_ago, open.captured_at[place] AS open_at, open.stars[place] AS open_stars
              FROM (SELECT repository_id, array_agg(captured_at ORDER BY captured_at) AS captured_at,
                           array_agg(stars ORDER BY captured_at) AS stars
                      FROM repository_snapshot_open
                     WHERE repository_id {OF_IDS} AND source_id = 1 AND {_IS_OPEN}
                       AND captured_at <= (SELECT max(at) FROM point)
                     GROUP BY repository_id) AS open
             CROSS JOIN point
             CROSS JOIN LATERAL (SELECT width_bucket(at, open.captured_at) AS place) AS found
             WHERE place > 0
        ), point_closed AS MATERIALIZED (
            SELECT repository_id, steps_ago, {month_value("captured_at", _PLACE_AT)} AS closed_at,
                   {month_value("stars", _PLACE_AT)} AS closed_stars
              FROM repository_month AS month
              -- + 0: not to be looked up by month alone, which would read a month of all repositories for each point.
              JOIN point ON at_month = month.month + 0
             WHERE repository_id {OF_IDS} AND source_id = 1
               -- Without an upper bound: of a range whose ends it does not know, Postgres expects few rows.
               AND month.month >= (SELECT min(at_month) FROM point)
        )"""  # noqa: S608
"""SQL: our stars of the repositories `:ids` at each of a few rows of `point`: steps_ago, at, at_month (`closed_month`).
The months of a repository are read together, rather than one for each point."""
