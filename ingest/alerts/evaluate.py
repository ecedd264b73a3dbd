"""Evaluates alert rules: events after each run, states every few minutes.

Safe to repeat: an event raises one alert per run, a state one alert until it ends. What fails in one rule is logged and
keeps no other one from being evaluated.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Row
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import bindparam

from core.alerts.rules import RULE_KINDS
from core.budget.token_expiry import TokenExpiry
from core.db.errors import is_server_unavailable
from core.db.statement import text
from core.disk_space import DiskSpace
from core.queries.captures import CAPTURES_OF_RUN
from core.queries.freshness import FreshnessCounts, freshness_counts
from core.queries.past_counts import OWN_STARS, OWN_STARS_BEFORE_CTES, closed_month
from core.queue import abandoned, jobs
from core.wording import pluralize, quantity, window

log = structlog.get_logger()
Result = TypeVar("Result")
STATE_RULE_KINDS = [name for name, kind in RULE_KINDS.items() if kind.is_state]


@dataclass(frozen=True)
class FiredRule:
    """A rule that fired for one subject, as a sentence and as data."""

    rule_id: int
    kind: str
    subject: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    account_id: int | None = None
    repository_id: int | None = None


@dataclass(frozen=True)
class RemainingBudget:
    """What is left of one of GitHub's rate budgets."""

    name: str
    left: int
    limit: int


# Maps kinds of changes to kinds of rules; an account's own changes have no repository.
SELECT_CHANGE_EVENTS = """
    SELECT rule.id AS rule_id, rule.kind, coalesce(full_name, login) AS subject, change.before, change.after,
           change.account_id, change.repository_id
      FROM change
      JOIN alert_rule AS rule
        ON rule.enabled AND rule.kind = CASE
               WHEN change.kind = 'gone' AND change.repository_id IS NULL THEN 'account_deleted'
               WHEN change.kind IN ('archived', 'relicensed') THEN change.kind END
       AND (rule.account_id IS NULL OR rule.account_id = change.account_id)
      JOIN account ON account.id = change.account_id
      LEFT JOIN repository ON repository.id = change.repository_id
     WHERE change.run_id = :run_id AND NOT EXISTS (
           SELECT FROM alert WHERE alert.run_id = :run_id AND alert.rule_id = rule.id
              AND alert.account_id = change.account_id
              AND alert.repository_id IS NOT DISTINCT FROM change.repository_id)
"""

GROWN = "CASE days WHEN 1 THEN stars_1d WHEN 7 THEN stars_7d ELSE stars_30d END"
"""Growth as pages show it (`core.queries.growth`); each capture updates it, also of repositories whose stars rest."""
CAPTURED_REPOSITORIES = """
      FROM run_capture
      JOIN repository ON repository.account_id = run_capture.account_id AND repository.gone_at IS NULL
      JOIN repository_summary AS latest ON latest.repository_id = repository.id AND latest.source_id = 1
      JOIN alert_rule AS rule ON rule.enabled AND rule.kind = :kind
       AND (rule.account_id IS NULL OR rule.account_id = repository.account_id)
     CROSS JOIN LATERAL (
           SELECT CAST(settings ->> 'days' AS integer) AS days, CAST(settings ->> 'share' AS float) AS share) AS setting
"""
IS_NEW_ALERT = """
           NOT EXISTS (
           SELECT FROM alert WHERE alert.rule_id = rule.id AND alert.repository_id = repository.id
              AND raised_at > :now - make_interval(days => days))
"""
SELECT_STAR_JUMPS = f"""
    WITH run_capture AS MATERIALIZED ({CAPTURES_OF_RUN})
    SELECT rule.id AS rule_id, rule.kind, repository.full_name AS subject, repository.account_id,
           repository.id AS repository_id, stars, gained, days
           {CAPTURED_REPOSITORIES}
     CROSS JOIN LATERAL (SELECT {GROWN} AS gained) AS grown
     WHERE gained >= CAST(settings ->> 'gained' AS integer) AND gained >= share * (stars - gained)
       AND {IS_NEW_ALERT}
"""
# Growth is unknown where no capture is old enough. What was lost between two captures is known all the same: `step`
# compares a repository that this run found changed with its snapshot before.
IS_DROP = "{lost} >= CAST(settings ->> 'lost' AS integer) AND {lost} >= share * (stars + {lost})"
SELECT_STAR_DROPS = f"""
    WITH run_capture AS MATERIALIZED ({CAPTURES_OF_RUN}), captured AS MATERIALIZED (
        SELECT repository.id AS repository_id, run_capture.run_id, repository.account_id, full_name AS subject,
               latest.stars, latest.stars_1d, latest.stars_7d, latest.stars_30d,
               latest.captured_at >= run_capture.captured_at AS is_changed,
               latest.captured_at - interval '1 microsecond' AS earlier_at,
               {closed_month("latest.captured_at - interval '1 microsecond'")} AS earlier_month
          FROM run_capture
          JOIN repository ON repository.account_id = run_capture.account_id AND repository.gone_at IS NULL
          JOIN (SELECT repository_id, stars, stars_1d, stars_7d, stars_30d, captured_at
                  FROM repository_summary WHERE source_id = 1) AS latest ON latest.repository_id = repository.id
         CROSS JOIN (SELECT last_month FROM source WHERE id = 1) AS source
    ), {OWN_STARS_BEFORE_CTES}, judged AS MATERIALIZED (
        -- Materialized, so that what is asked of its rows below makes no LEFT JOIN, and nested loops, of FULL JOIN.
        SELECT rule.id AS rule_id, rule.kind, subject, captured.account_id, repository_id, stars, days,
               - ({GROWN}) AS lost_in_days, {OWN_STARS} - stars AS lost_in_step, settings,
               CAST(settings ->> 'share' AS float) AS share
          FROM captured
          FULL JOIN before_open USING (repository_id, run_id)
          FULL JOIN before_closed USING (repository_id, run_id)
          JOIN alert_rule AS rule ON rule.enabled AND rule.kind = :kind
           AND (rule.account_id IS NULL OR rule.account_id = captured.account_id)
         CROSS JOIN LATERAL (SELECT CAST(settings ->> 'days' AS integer) AS days) AS setting
         WHERE NOT EXISTS (
               SELECT FROM alert WHERE alert.rule_id = rule.id AND alert.repository_id = captured.repository_id
                  AND raised_at > :now - make_interval(days => days))
    )
    SELECT rule_id, kind, subject, account_id, repository_id, stars,
           CASE WHEN {IS_DROP.format(lost="lost_in_days")} THEN lost_in_days ELSE lost_in_step END AS lost,
           CASE WHEN {IS_DROP.format(lost="lost_in_days")} THEN days END AS days
      FROM judged
     WHERE {IS_DROP.format(lost="lost_in_days")} OR {IS_DROP.format(lost="lost_in_step")}
"""  # noqa: S608


def raise_event_alerts(connection: Connection, run_id: int, now: datetime) -> int:
    """Raise alerts for the events that a run stored, and record that this is done; returns how many."""
    values = {"run_id": run_id, "now": now}
    alert_ids: list[int] = []
    for kind, sql in EVENT_SQL_BY_KIND.items():
        raised = _try_rule(connection, partial(_raise_events, connection, sql, values | {"kind": kind}), kind=kind)
        alert_ids += raised or ()
    connection.execute(text("UPDATE ingest_run SET alerts_pending = false WHERE id = :id"), {"id": run_id})
    return len(alert_ids)


EVENT_SQL_BY_KIND = {
    "change": SELECT_CHANGE_EVENTS,
    "stars_jumped": SELECT_STAR_JUMPS,
    "stars_dropped": SELECT_STAR_DROPS,
}
"""What raises events of a kind of rule; `change` stands for the kinds of detected changes."""


def _raise_events(connection: Connection, sql: str, values: Mapping[str, Any]) -> list[int]:
    """Insert an alert for each row of *sql* and queue its deliveries; returns the ids."""
    fired = [
        FiredRule(
            row.rule_id,
            row.kind,
            row.subject,
            event_message(row),
            event_details(row),
            row.account_id,
            row.repository_id,
        )
        for row in connection.execute(text(sql), values).all()
    ]
    alert_ids = [_insert_alert(connection, one, values["now"], values["run_id"], is_ended=True) for one in fired]
    _enqueue_deliveries(connection, alert_ids, "raised")
    return alert_ids


def _try_rule(connection: Connection, evaluate: Callable[[], Result], **rule: object) -> Result | None:
    """Return what *evaluate* does, in a savepoint, or None after an error. Raises where Postgres is unavailable."""
    try:
        with connection.begin_nested():
            return evaluate()
    except Exception as error:
        if is_server_unavailable(error):
            raise
        log.exception("alert rule not evaluated", **rule)
        return None


def event_message(row: Any) -> str:
    """Describe an event in one sentence."""
    match row.kind:
        case "account_deleted":
            return f"{row.subject} was deleted or made private: {row.after or 'GitHub no longer shows it'}"
        case "archived":
            return f"{row.subject} was archived"
        case "relicensed":
            return f"{row.subject} changed its licence from {row.before or 'none'} to {row.after or 'none'}"
        case "stars_jumped":
            change = f"gained {quantity(row.gained, 'star')}"
        case _:
            change = f"lost {quantity(row.lost, 'star')}"
    span = f"within {window(timedelta(days=row.days))}" if row.days else "between two refreshes"
    return f"{row.subject} {change} {span} and has {row.stars:,} now"


DETAIL_NAMES: Mapping[str, Sequence[str]] = {
    "stars_jumped": ("stars", "gained", "days"),
    "stars_dropped": ("stars", "lost", "days"),
}
"""Details of an event by kind of rule; `days` is null for what was lost between two refreshes."""


def event_details(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in DETAIL_NAMES.get(row.kind, ("before", "after"))}


SELECT_LATEST_RUN_STATES = """
    SELECT state FROM ingest_run AS run
     WHERE trigger <> 'import' AND state <> 'running' AND state <> 'stopped'
       -- Where GitHub answered that all of its accounts are deleted, nothing is wrong with the ingestion.
       AND NOT (state = 'failed'
                AND EXISTS (SELECT FROM ingest_item AS item WHERE run_id = run.id AND item.state = 'deleted')
                AND NOT EXISTS (SELECT FROM ingest_item AS item WHERE run_id = run.id AND item.state <> 'deleted'))
     ORDER BY id DESC LIMIT :most
"""
MAX_RUNS = 100


@dataclass(frozen=True)
class States:
    """What rules about states evaluate. *every* is the default cadence; *disk* None: it is on another machine."""

    connection: Connection
    now: datetime
    every: timedelta
    budgets: Sequence[RemainingBudget] = ()
    tokens: Sequence[TokenExpiry] = ()
    disk: DiskSpace | None = None

    @cached_property
    def freshness(self) -> FreshnessCounts:
        return freshness_counts(self.connection, self.now, self.every)

    @cached_property
    def run_states(self) -> Sequence[str]:
        return self.connection.scalars(text(SELECT_LATEST_RUN_STATES), {"most": MAX_RUNS}).all()

    def check(self, rule: Row[Any]) -> list[FiredRule]:
        """Return for which subjects *rule* fires."""
        settings = rule.settings
        fired: Iterable[FiredRule] = ()
        match rule.kind:
            case "freshness_missed":
                fired = check_freshness(rule.id, settings["share"], self.freshness)
            case "budget_short":
                fired = check_budgets(rule.id, settings["share"], self.budgets)
            case "token_expiring":
                fired = check_tokens(rule.id, timedelta(days=settings["days"]), self.tokens, self.now)
            case "ingestion_failing":
                fired = check_failing_runs(rule.id, settings["runs"], self.run_states)
            case "disk_low" if self.disk is not None:
                fired = check_disk(rule.id, settings["megabytes"] * 10**6, self.disk)
            case "job_stuck":
                since = self.now - timedelta(hours=settings["hours"])
                stuck = abandoned.count_jobs_started_before(self.connection, since)
                fired = check_stuck_jobs(rule.id, settings["hours"], stuck)
        return list(fired)


def update_state_alerts(
    connection: Connection,
    budgets: Sequence[RemainingBudget] | None,
    now: datetime,
    every: timedelta,
    *,
    disk: DiskSpace | None = None,
    tokens: Sequence[TokenExpiry] | None = (),
    unknown: Collection[str] = (),
) -> tuple[int, int]:
    """Raise alerts for states that began and end those of states that no longer hold; returns how many of each.

    *every* is the default cadence. Where *budgets* or *tokens* is None, they are unknown: their alerts stay, as do
    those of the kinds *unknown* and of a rule that could not be evaluated.
    """
    unknown = {
        *unknown,
        *(kind for kind, found in (("budget_short", budgets), ("token_expiring", tokens)) if found is None),
    }
    states = States(connection, now, every, budgets or (), tokens or (), disk)
    rules = connection.execute(
        text("SELECT id, kind, settings FROM alert_rule WHERE enabled AND kind = ANY(:kinds)"),
        {"kinds": [kind for kind in STATE_RULE_KINDS if kind not in unknown]},
    ).all()
    active: list[FiredRule] = []
    failed: set[int] = set()
    for rule in rules:
        fired = _try_rule(connection, partial(states.check, rule), kind=rule.kind, rule=rule.id)
        if fired is None:
            failed.add(rule.id)
        else:
            active += fired
    return _sync_open_alerts(connection, active, now, unknown, failed)


def check_freshness(rule_id: int, share: float, accounts: FreshnessCounts) -> Iterable[FiredRule]:
    """Fire if less than *share* of the accounts are on time."""
    on_time = accounts.share_on_time
    if on_time is not None and on_time < share:
        late, were = quantity(accounts.tracked, "tracked account"), pluralize(accounts.late, "was", "were")
        message = f"{accounts.late:,} of {late} {were} not refreshed on time"
        details = {"accounts": accounts.tracked, "late": accounts.late}
        yield FiredRule(rule_id, "freshness_missed", "tracked accounts", message, details)


def check_budgets(rule_id: int, share: float, budgets: Sequence[RemainingBudget]) -> Iterable[FiredRule]:
    for budget in budgets:
        if budget.limit and budget.left < share * budget.limit:
            message = f"{budget.left:,} of {budget.limit:,} {pluralize(budget.left, 'is', 'are')} left of {budget.name}"
            yield FiredRule(rule_id, "budget_short", budget.name, message, {"left": budget.left, "limit": budget.limit})


def check_tokens(rule_id: int, period: timedelta, tokens: Sequence[TokenExpiry], now: datetime) -> Iterable[FiredRule]:
    """Fire for each token that expires within *period*; once it has expired, that is another alert."""
    for token in tokens:
        if token.expires_within(period, now):
            subject = f"{token.name}, expired" if token.has_expired(now) else token.name
            verb = "expired" if token.has_expired(now) else "expires"
            message = f"GitHub's {token.name} {verb} on {token.expires_at:%Y-%m-%d %H:%M} UTC"
            yield FiredRule(rule_id, "token_expiring", subject, message, {"expires_at": token.expires_at.isoformat()})


def check_failing_runs(rule_id: int, runs: int, states: Sequence[str]) -> Iterable[FiredRule]:
    """Fire if at least *runs* of the latest runs failed in a row; *states* are ordered newest first."""
    in_a_row = next((index for index, state in enumerate(states) if state != "failed"), len(states))
    if in_a_row >= runs:
        message = f"{quantity(in_a_row, 'run')} in a row stored nothing"
        yield FiredRule(rule_id, "ingestion_failing", "ingestion", message, {"runs": in_a_row})


def check_disk(rule_id: int, needed: int, disk: DiskSpace) -> Iterable[FiredRule]:
    """Fire if less than *needed* bytes are free."""
    if disk.free < needed:
        message = f"Only {disk.summary} on the disk of Postgres: without space nothing is stored"
        yield FiredRule(rule_id, "disk_low", "disk", message, {"free": disk.free, "total": disk.total})


def check_stuck_jobs(rule_id: int, hours: int, jobs_running: int) -> Iterable[FiredRule]:
    """Fire if there are jobs that have been running for more than *hours*."""
    if jobs_running:
        have = pluralize(jobs_running, "has", "have")
        message = f"{quantity(jobs_running, 'job')} {have} been running for more than {quantity(hours, 'hour')}"
        yield FiredRule(rule_id, "job_stuck", "job queue", message, {"jobs": jobs_running, "hours": hours})


def _sync_open_alerts(
    connection: Connection,
    active: Sequence[FiredRule],
    now: datetime,
    unknown: Collection[str],
    failed: Collection[int],
) -> tuple[int, int]:
    """Open an alert for each new active state and end the alerts of states that are no longer active.

    Alerts of the kinds *unknown* and of the rules *failed* stay as they are.
    """
    rows = connection.execute(
        text(
            "SELECT id, rule_id, subject FROM alert WHERE ended_at IS NULL AND kind = ANY(:kinds)"
            " AND rule_id <> ALL(CAST(:failed AS bigint[])) FOR UPDATE"
        ),
        {"kinds": [kind for kind in STATE_RULE_KINDS if kind not in unknown], "failed": list(failed)},
    )
    open_ids = {(row.rule_id, row.subject): row.id for row in rows}
    by_key = {(one.rule_id, one.subject): one for one in active}
    started = [
        _insert_alert(connection, one, now, None, is_ended=False) for key, one in by_key.items() if key not in open_ids
    ]
    ended = [alert_id for key, alert_id in open_ids.items() if key not in by_key]
    connection.execute(text("UPDATE alert SET ended_at = :now WHERE id = ANY(:ids)"), {"now": now, "ids": ended})
    _enqueue_deliveries(connection, started, "raised")
    _enqueue_deliveries(connection, ended, "ended")
    return len(started), len(ended)


def _insert_alert(
    connection: Connection, fired: FiredRule, now: datetime, run_id: int | None, *, is_ended: bool
) -> int:
    alert_id: int = connection.execute(
        text(
            "INSERT INTO alert (rule_id, kind, subject, account_id, repository_id, message, details, run_id, raised_at,"
            " ended_at) VALUES (:rule_id, :kind, :subject, :account_id, :repository_id, :message, :details, :run_id,"
            " :now, CASE WHEN :is_ended THEN CAST(:now AS timestamptz) END) RETURNING id"
        ).bindparams(bindparam("details", type_=JSONB)),
        vars(fired) | {"run_id": run_id, "now": now, "is_ended": is_ended},
    ).scalar_one()
    return alert_id


def _enqueue_deliveries(connection: Connection, alert_ids: Sequence[int], event: str) -> None:
    """Queue a delivery of each alert to each webhook that is subscribed to its kind."""
    if not alert_ids:
        return
    # In one step with the INSERT, Citus would find no row: one table is on every node, the other on the coordinator.
    deliveries = connection.scalars(
        text(
            "WITH wanted AS MATERIALIZED ("
            "    SELECT webhook.id AS webhook_id, alert.id AS alert_id FROM alert JOIN webhook ON webhook.enabled"
            "       AND (kinds IS NULL OR alert.kind = ANY(kinds)) WHERE alert.id = ANY(:ids))"
            " INSERT INTO webhook_delivery (webhook_id, alert_id, event)"
            " SELECT webhook_id, alert_id, :event FROM wanted RETURNING id"
        ),
        {"ids": list(alert_ids), "event": event},
    )
    for delivery_id in deliveries.all():
        jobs.defer_delivery(connection, delivery_id)
