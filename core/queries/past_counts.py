"""The counts of repositories at moments of the past: from closed months, and from the snapshots that came later.

`repository_month` has a row for each repository and month up to its source's `last_month`, so that the counts at a
moment are one element of one row, or those before the month. Snapshots that are not there yet are in
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


def month_value(column: str, place: str) -> str:
    """Return SQL for one of SNAPSHOT_COLUMNS at *place* of `month`, a row of `repository_month`; none: before it."""
    number = SNAPSHOT_COLUMNS.index(column)
    element, before = (f"counts[{place}][{number}]", f"month.{column}_before") if number else (
        f"captured_at[{place}]", "month.before_at"
    )  # fmt: skip
    return f"CASE WHEN {place} > 0 THEN month.{element} ELSE {before} END"


def month_columns(place: str) -> str:
    """Return SQL for all of SNAPSHOT_COLUMNS, as `month_value`."""
    return ", ".join(f"{month_value(column, place)} AS {column}" for column in SNAPSHOT_COLUMNS)


def month_stars(moment: str) -> str:
    """Return SQL for the stars at *moment* in `month`, the row of `closed_month`."""
    return month_value("stars", f"width_bucket({moment}, month.captured_at)")


OWN_CLOSED_UNTIL = "(SELECT closed_until FROM source WHERE id = 1)"

# The newest counts of each repository by `:until`: repository_id, source_id, captured_at, stars, forks, size_kb. Ours
# come before imported ones. `:began` is a time before all our captures.
_NEWEST_CTE = """newest AS (
            SELECT DISTINCT ON (repository_id) repository_id, source_id, captured_at, stars, forks, size_kb
              FROM (SELECT repository_id, source_id, {month_columns}
                      FROM source
                      JOIN repository_month AS month
                        ON source_id = source.id AND month = {closed_month}
                     CROSS JOIN LATERAL (
                           SELECT width_bucket(CAST(:until AS timestamptz), month.captured_at) AS place) AS found
                     WHERE (place > 0 OR before_at IS NOT NULL) {chosen}
                     UNION ALL
                    (SELECT DISTINCT ON (repository_id) repository_id, source_id, captured_at, stars, forks, size_kb
                       FROM repository_snapshot_open
                      WHERE source_id = 1 AND captured_at <= :until
                        AND captured_at >= greatest(CAST(:began AS timestamptz), {own_closed_until}) {chosen}
                      ORDER BY repository_id, captured_at DESC)
                     UNION ALL
                    SELECT repository_id, source_id, captured_at, stars, forks, size_kb
                      FROM repository_snapshot_open
                      JOIN source ON source.id = source_id
                     WHERE source_id <> 1 AND captured_at <= :until
                       AND captured_at >= coalesce(closed_until, '-infinity')
                       -- This bound lets Postgres skip partitions.
                       AND captured_at >= (SELECT coalesce(min(coalesce(closed_until, '-infinity')), 'infinity')
                                             FROM source WHERE id <> 1) {chosen}) AS found
             ORDER BY repository_id, source_id = 1 DESC, captured_at DESC, source_id DESC
        )"""


def _newest_cte(chosen: str = "") -> str:
    """Return the expression `newest`; *chosen* is a further condition on `repository_id`."""
    return _NEWEST_CTE.format(
        month_columns=month_columns("place"),
        closed_month=closed_month("CAST(:until AS timestamptz)"),
        own_closed_until=OWN_CLOSED_UNTIL,
        chosen=chosen,
    )


NEWEST_CTE = _newest_cte()
NEWEST_OF_IDS_CTE = _newest_cte("AND repository_id = ANY(CAST(:ids AS bigint[]))")


# Our stars of one repository at a moment, by index; null before our first capture.
_OWN_STARS_AT = """(SELECT stars
                      FROM ((SELECT captured_at, stars FROM repository_snapshot_open
                              WHERE repository_id = {repository} AND source_id = 1 AND captured_at <= {moment}
                                AND captured_at >= greatest(CAST({began} AS timestamptz), {own_closed_until})
                              ORDER BY captured_at DESC LIMIT 1)
                             UNION ALL
                            SELECT {month_captured_at}, {month_stars}
                              FROM source
                              JOIN repository_month AS month
                                ON source_id = 1 AND month = {closed_month}
                             WHERE source.id = 1 AND repository_id = {repository}) AS found
                     ORDER BY captured_at DESC NULLS LAST LIMIT 1)"""


def _own_stars_at(repository: str, moment: str, began: str = ":began") -> str:
    return _OWN_STARS_AT.format(
        repository=repository,
        moment=moment,
        began=began,
        own_closed_until=OWN_CLOSED_UNTIL,
        month_captured_at=month_value("captured_at", f"width_bucket({moment}, month.captured_at)"),
        month_stars=month_stars(moment),
        closed_month=closed_month(moment),
    )


OWN_STARS_AT_POINT = _own_stars_at("latest.repository_id", "at")
"""SQL: our stars of the repository of `latest` at `at`; needs `:began`."""
OWN_STARS_BEFORE_LAST = _own_stars_at(
    "latest.repository_id", "(latest.captured_at - interval '1 microsecond')", "'-infinity'"
)
"""SQL: our stars of the repository of `latest` in the snapshot before that of `latest.captured_at`."""

# Our stars of many repositories at once, at `start_at` of the rows of `start` that `may_differ` from those at the end:
# `open_stars` of a snapshot that is not closed, `closed_stars` of one that is; the newer one counts.
_OWN_STARS_CTES = f"""own_open AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, days) repository_id, days, captured_at AS open_at,
                   snapshot.stars AS open_stars
              FROM start
              JOIN repository_snapshot_open AS snapshot USING (repository_id)
             WHERE may_differ AND source_id = 1 AND captured_at <= start_at
               AND repository_id = ANY(ARRAY(SELECT repository_id FROM start WHERE may_differ))
               AND captured_at >= greatest(CAST(:began AS timestamptz), {OWN_CLOSED_UNTIL})
               AND captured_at <= (SELECT max(start_at) FROM start WHERE may_differ)
             ORDER BY repository_id, days, captured_at DESC
        ), own_closed AS MATERIALIZED ({{closed}}
        )"""  # noqa: S608
_CLOSED_STARS = f"""
            SELECT repository_id, days, {month_value("captured_at", "width_bucket(start_at, month.captured_at)")}
                   AS closed_at, {month_stars("start_at")} AS closed_stars
              FROM start
              JOIN repository_month AS month USING (repository_id)
             WHERE may_differ AND source_id = 1 AND month.month = start_month"""  # noqa: S608
_OTHER_MONTHS = """
               AND month.month = ANY(ARRAY(SELECT start_month FROM start WHERE may_differ{other}))
               AND repository_id = ANY(ARRAY(SELECT repository_id FROM start WHERE may_differ{other}))"""
_MAIN_MONTHS = "CAST(:main_months AS date[])"
OWN_STARS_OF_FEW_CTES = _OWN_STARS_CTES.format(closed=_CLOSED_STARS + _OTHER_MONTHS.format(other=""))
OWN_STARS_OF_MANY_CTES = _OWN_STARS_CTES.format(
    closed=f"""{_CLOSED_STARS} AND month.month = ANY({_MAIN_MONTHS})
             UNION ALL{_CLOSED_STARS} AND start_month <> ALL({_MAIN_MONTHS})"""
    + _OTHER_MONTHS.format(other=f" AND start_month <> ALL({_MAIN_MONTHS})")
)
