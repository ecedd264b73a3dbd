"""Records enrichment runs: one row per job (`enrichment_run`). Callers own the transaction."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.queue.enrichment import FACT_KINDS, Resource
from ingest.github.http.transport import Tally
from ingest.planning.fair_queue import HALF_LIFE, Spending

RETENTION = timedelta(days=31)
# Older spending has decayed to less than a thousandth.
SPENDING_HORIZON = timedelta(days=1)


@dataclass
class EnrichmentRun:
    """The record of one job. If it stopped early: `stop_reason`, and `retry_at` if it has to wait."""

    id: int | None = None
    kind: str = ""
    subjects: int = 0
    stored: int = 0
    failed: int = 0
    rows_written: int = 0
    stop_reason: str | None = None
    retry_at: datetime | None = None
    is_at_reserve: bool = False
    """Stopped because what is left of the rate limit is reserved for other work."""
    tally: Tally = field(default_factory=Tally)

    @property
    def cost(self) -> int:
        """Points, or requests for kinds that spend REST's rate limit; 304s included, which take time too."""
        return self.tally.points if FACT_KINDS[self.kind].resource == "graphql" else self.tally.requests


def open_run(
    connection: Connection,
    kind: str,
    token: str | None,
    job_id: int | None,
    subjects: int,
    now: datetime,
    *,
    for_people: bool = False,
) -> EnrichmentRun:
    run_id: int = connection.execute(
        text(
            "INSERT INTO enrichment_run (kind, token_fingerprint, job_id, started_at, subjects, for_people)"
            " VALUES (:kind, :token, :job, :now, :subjects, :for_people) RETURNING id"
        ),
        {"kind": kind, "token": token, "job": job_id, "now": now, "subjects": subjects, "for_people": for_people},
    ).scalar_one()
    return EnrichmentRun(run_id, kind, subjects)


def close_run(connection: Connection, run: EnrichmentRun, now: datetime) -> None:
    connection.execute(
        text(
            "UPDATE enrichment_run SET finished_at = :now, stored = :stored, failed = :failed, requests = :requests,"
            " points = :points, not_modified = :not_modified, rows_written = :rows_written, stop_reason = :stop_reason"
            " WHERE id = :id"
        ),
        asdict(run) | asdict(run.tally) | {"now": now},
    )


def spending(connection: Connection, now: datetime) -> dict[tuple[str | None, Resource], Spending]:
    """Sum what was spent lately by token and rate limit, halved for each half-life since; a run costs at least 1."""
    rows = connection.execute(
        text("""
            SELECT token_fingerprint, kind, for_people,
                   sum(greatest(CASE WHEN kind = ANY(:graphql) THEN points ELSE requests END, 1)
                       * power(0.5, extract(epoch FROM :now - started_at) / :half_life))::float AS cost
              FROM enrichment_run WHERE started_at > :since AND started_at <= :now
             GROUP BY token_fingerprint, kind, for_people
        """),
        {
            "graphql": [kind.name for kind in FACT_KINDS.values() if kind.resource == "graphql"],
            "now": now,
            "since": now - SPENDING_HORIZON,
            "half_life": HALF_LIFE.total_seconds(),
        },
    )
    found: dict[tuple[str | None, Resource], Spending] = {}
    for token, kind, for_people, cost in rows:
        if kind not in FACT_KINDS:  # of another version
            continue
        key = (token, FACT_KINDS[kind].resource)
        before = found.get(key, Spending())
        by_kind = {**before.by_kind, kind: before.by_kind.get(kind, 0.0) + cost}
        found[key] = Spending(by_kind, before.for_people + (cost if for_people else 0.0))
    return found


def delete_old_runs(connection: Connection, now: datetime) -> int:
    """Delete runs that started more than a month ago, not the facts they stored; returns how many."""
    return connection.execute(
        text("DELETE FROM enrichment_run WHERE started_at < :before"), {"before": now - RETENTION}
    ).rowcount
