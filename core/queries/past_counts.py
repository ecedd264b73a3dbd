"""The counts of repositories at moments of the past: from closed months, and from the snapshots that came later.

`repository_month` holds the snapshots of each repository by month, after the last one before the month, so that the
counts at a moment are one element of one row; what a source captured from its `closed_until` on is read from
`repository_snapshot`. Each expression works whatever is closed: nothing, all, or less than was closed before.
"""

LAST_CLOSED = "closed_until - interval '1 microsecond'"
"""SQL: the last moment whose counts are in `repository_month`; needs `source`."""


def closed_month(moment: str) -> str:
    """Return SQL for the month of `repository_month` that has the counts at *moment*; needs `source`."""
    return f"least(last_month, (date_trunc('month', least({moment}, {LAST_CLOSED}) AT TIME ZONE 'UTC'))::date)"


OWN_CLOSED_UNTIL = "(SELECT closed_until FROM source WHERE id = 1)"

# The newest counts of each repository by `:until`: repository_id, source_id, captured_at, stars, forks, size_kb. Ours
# come before imported ones. `:began` is a time before all our captures.
_NEWEST_CTE = """newest AS (
            SELECT DISTINCT ON (repository_id) repository_id, source_id, captured_at, stars, forks, size_kb
              FROM (SELECT repository_id, source_id, month.captured_at[place] AS captured_at, stars[place] AS stars,
                           forks[place] AS forks, size_kb[place] AS size_kb
                      FROM source
                      JOIN repository_month AS month
                        ON source_id = source.id AND month = {closed_month}
                     CROSS JOIN LATERAL (
                           SELECT width_bucket(least(CAST(:until AS timestamptz), {last_closed}),
                                               month.captured_at) AS place) AS found
                     WHERE place > 0 {chosen}
                     UNION ALL
                    (SELECT DISTINCT ON (repository_id) repository_id, source_id, captured_at, stars, forks, size_kb
                       FROM repository_snapshot
                      WHERE source_id = 1 AND captured_at <= :until
                        AND captured_at >= greatest(CAST(:began AS timestamptz), {own_closed_until}) {chosen}
                      ORDER BY repository_id, captured_at DESC)
                     UNION ALL
                    SELECT repository_id, source_id, captured_at, stars, forks, size_kb
                      FROM repository_snapshot
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
        closed_month=closed_month("CAST(:until AS timestamptz)"),
        last_closed=LAST_CLOSED,
        own_closed_until=OWN_CLOSED_UNTIL,
        chosen=chosen,
    )


NEWEST_CTE = _newest_cte()
NEWEST_OF_IDS_CTE = _newest_cte("AND repository_id = ANY(CAST(:ids AS bigint[]))")


# Our stars of one repository at a moment, by index; null before our first capture.
_OWN_STARS_AT = """coalesce(
                   (SELECT stars FROM repository_snapshot
                     WHERE repository_id = {repository} AND source_id = 1 AND captured_at <= {moment}
                       AND captured_at >= greatest(CAST(:began AS timestamptz), {own_closed_until})
                     ORDER BY captured_at DESC LIMIT 1),
                   (SELECT stars[nullif(width_bucket(least({moment}, {last_closed}), month.captured_at), 0)]
                      FROM source
                      JOIN repository_month AS month ON source_id = 1 AND month = {closed_month}
                     WHERE source.id = 1 AND repository_id = {repository}))"""


def _own_stars_at(repository: str, moment: str) -> str:
    return _OWN_STARS_AT.format(
        repository=repository,
        moment=moment,
        own_closed_until=OWN_CLOSED_UNTIL,
        last_closed=LAST_CLOSED,
        closed_month=closed_month(moment),
    )


OWN_STARS_AT_START = _own_stars_at("subject.repository_id", "start_at")
OWN_STARS_AT_POINT = _own_stars_at("latest.repository_id", "at")
"""SQL: our stars of the repository of `subject` at `start_at`, of `latest` at `at`; they need `:began`."""
