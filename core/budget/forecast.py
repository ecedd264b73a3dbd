"""Load the inputs of the cost model from Postgres and the rate budget. Callers own the connection."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.budget import cost_model
from core.budget.rate_limits import RateBudgetBucket

# Expected pushes are those in the period of the same length before the last refresh, at least this long.
MIN_PUSH_WINDOW = timedelta(days=1)
LATEST_RUNS = 20


def load_cost_inputs(
    connection: Connection, account_ids: Sequence[int], now: datetime
) -> list[cost_model.AccountCostInputs]:
    """Return the cost inputs of accounts (our ids), in any order."""
    rows = connection.execute(
        text("""
            SELECT login, kind, checked_at, count(repository.id) AS repositories,
                   count(*) FILTER (WHERE languages_checked_at IS NOT NULL OR is_fork OR pushed_at IS NULL)
                       AS with_languages, change_rate,
                   extract(epoch FROM :now - checked_at)::float / 86400 AS days,
                   extract(epoch FROM greatest(:now - checked_at, :min_window))::float / 86400 AS window_days,
                   count(languages_checked_at)
                       FILTER (WHERE NOT is_fork AND pushed_at > checked_at - greatest(:now - checked_at, :min_window))
                       AS pushed
              FROM account
              LEFT JOIN repository ON account_id = account.id AND repository.gone_at IS NULL
              LEFT JOIN tracked_account ON tracked_account.account_id = account.id
             WHERE account.id = ANY(:ids)
             GROUP BY account.id, change_rate -- not by its table's key: Citus knows of none
        """),
        {"ids": list(account_ids), "now": now, "min_window": MIN_PUSH_WINDOW},
    )
    return [
        cost_model.AccountCostInputs(
            login=row.login,
            is_organization=row.kind == "organization",
            repositories=row.repositories if row.checked_at else None,
            repositories_with_languages=row.with_languages,
            expected_pushes=row.pushed * max(row.days, 0) / row.window_days if row.checked_at else 0.0,
            expected_changes=None
            if row.change_rate is None or not row.checked_at
            else row.change_rate * max(row.days, 0),
        )
        for row in rows
    ]


def seconds_per_request(connection: Connection) -> float | None:
    """Return the mean duration of a request in the latest runs, concurrency included; None before any run."""
    found: float | None = connection.scalar(
        text("""
            SELECT sum(extract(epoch FROM finished_at - started_at))::float / sum(requests)
              FROM (SELECT * FROM ingest_run WHERE finished_at > started_at AND requests > 0 AND trigger <> 'import'
                     ORDER BY id DESC LIMIT :latest) AS run
        """),
        {"latest": LATEST_RUNS},
    )
    return found


def budget_totals(buckets: Iterable[RateBudgetBucket], *, with_token: bool, now: datetime) -> cost_model.BudgetTotals:
    """Add up the rate limits that a refresh uses: GraphQL with a token, else REST."""
    used = [bucket for bucket in buckets if bucket.resource == ("graphql" if with_token else "core")]
    if not used:
        return cost_model.BudgetTotals()
    return cost_model.BudgetTotals(
        remaining=sum(bucket.remaining_at(now) for bucket in used),
        limit=sum(bucket.limit for bucket in used),
        resets_at=min((bucket.resets_at for bucket in used if bucket.resets_at > now), default=None),
    )
