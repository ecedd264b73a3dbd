"""On a cluster of Citus the same is stored and read as on one Postgres. Skips where Citus is not installed."""

import csv
import gzip
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pandas import DataFrame
from pandas.testing import assert_frame_equal
from psycopg.errors import DeadlockDetected
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from core.alerts import rules
from core.auth.identity import Identity
from core.db import arrow, citus, frames, partitions
from core.db import engine as engines
from core.db.errors import max_repeats
from core.db.migrations import distribute_if_needed
from core.db.override import use_engine
from core.db.schema import metadata
from core.db.schema_check import find_missing_objects
from core.launcher.backups import restore_backup, write_backup
from core.queries import (
    account_repositories,
    accounts,
    enrichment,
    globe,
    language_use,
    languages,
    movers,
    overview,
    peers,
    repository_detail,
    repository_facts,
    repository_list,
    scene,
    star_history,
)
from core.queries.cluster import cluster_status
from core.queries.past_counts import NEWEST_CTE
from core.settings import settings
from core.tracking import accounts as accounts_tracked
from ingest.alerts import evaluate
from ingest.alerts.deliver import WebhookSender
from ingest.alerts.evaluate import RemainingBudget
from ingest.enrichment import Enricher
from ingest.history_import.importer import import_history
from ingest.planning import due_accounts
from ingest.refresh import summaries, writer
from ingest.sandbox import World, serve
from ingest.sandbox.world.history_file import write_history
from ingest.scheduler import ScheduledJobs
from pages.sections import running_ingestions
from tests.citus_cluster import (
    CitusCluster,
    Node,
    delete_all_rows,
    find_postgres_with_citus,
    folder_of_nodes,
    migrated_cluster,
    running_node,
)
from tests.core.web.api.conftest import add_person, api_client, own_limits  # noqa: F401 - one is a fixture
from tests.ingest.alerts.test_deliver import receiver  # noqa: F401 - a fixture
from tests.ingest.conftest import TOKEN, Ingestor, github_client

pytestmark = pytest.mark.slow
OPERATIONS = Path(__file__).resolve().parents[2] / "OPERATIONS.md"
ADD_NODE, TAKE_NODE_OUT = "SELECT citus_add_node", "SELECT citus_drain_node"
LEFT_ON_NODES_THAT_ARE_GONE = (
    "SELECT count(*) FROM pg_dist_cleanup WHERE node_group_id NOT IN (SELECT groupid FROM pg_dist_node)"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[CitusCluster]:
    """A migrated cluster; what it printed is in `progress`."""
    with migrated_cluster() as cluster:
        yield cluster


@pytest.fixture
def engine(cluster: CitusCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("DATABASE_URL", cluster.url)
    settings.cache_clear()
    url = cluster.url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": "-c timezone=UTC"})
    yield engine
    engine.dispose()


@pytest.fixture
def sandbox():
    """Few accounts, and a clock that stands: two refreshes find the same."""
    with serve(World(accounts=6, repositories=60, biggest=25, seed=3)) as sandbox:
        sandbox.world.freeze()
        yield sandbox


def test_every_table_lies_where_it_belongs_and_migrating_again_changes_nothing(cluster, engine):
    with psycopg.connect(cluster.url) as connection:
        assert citus.missing_tables(connection) == []
        kinds = dict(connection.execute("SELECT table_name::text, citus_table_type FROM citus_tables").fetchall())
        homes = connection.execute(
            "SELECT count(DISTINCT colocation_id) FROM citus_tables WHERE citus_table_type = 'distributed'"
        ).fetchone()
    assert {name for name, kind in kinds.items() if kind == "distributed" and name in metadata.tables} == {
        *citus.BY_REPOSITORY
    }
    assert {name for name, kind in kinds.items() if kind == "reference"} == {*citus.ON_EVERY_NODE}
    assert homes == (1,)
    assert not distribute_if_needed(cluster.url)
    with engine.connect() as connection:
        assert find_missing_objects(connection) == []
    assert_settings_of_nodes(cluster)
    with psycopg.connect(cluster.url) as connection:
        sizes = connection.execute(
            "SELECT result FROM run_command_on_placements("
            "'source', 'SELECT reltuples FROM pg_class WHERE oid = ''%s''::regclass')"
        ).fetchall()
    assert sizes == [("1",)] * len(cluster.nodes)  # of a table of unknown size a node would expect hundreds of rows


@pytest.mark.parametrize("sql", [repository_detail.CURRENT_OF_ONE_SQL, repository_detail.AS_OF_OF_ONE_SQL])
def test_one_repository_is_asked_of_one_node_at_once(engine, sql):
    """Each further step would be a round trip to the nodes, and a plan on each of them."""
    now = datetime.now(UTC)
    values = {"id": 1, "as_of": now, "until": now, "days": [7, 30]}
    with engine.connect() as connection:
        plan = connection.scalars(text(f"EXPLAIN (COSTS OFF) {sql}"), values).all()
    assert [line.strip() for line in plan if "Task Count" in line] == ["Task Count: 1"]
    assert not any("Subplan" in line for line in plan)


def assert_settings_of_nodes(cluster: CitusCluster) -> None:
    """Every node computes in UTC, and compiles no query."""
    for name, value in citus.NODE_SETTINGS.items():
        answers = cluster.execute(f"SELECT result FROM run_command_on_all_nodes('SHOW {name}')")
        assert {answer for (answer,) in answers} == {value}, name


def test_an_interrupted_distribution_is_completed(cluster, engine):
    """Killed between two tables: one lies on the coordinator alone, the foreign keys are gone."""
    for table in ("star_day", "traffic_day"):
        cluster.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_repository_id_fkey")
    cluster.execute("SELECT undistribute_table('traffic_day')")
    assert distribute_if_needed(cluster.url)
    with psycopg.connect(cluster.url) as connection:
        assert citus.missing_tables(connection) == []
    with engine.connect() as connection:
        assert find_missing_objects(connection) == []


@pytest.fixture
def both(sandbox, redis, committing_database, cluster, engine) -> Iterator[tuple[Ingestor, Ingestor]]:
    """Ingestors of the same GitHub: into one Postgres, and into the cluster, both empty."""
    delete_all_rows(cluster.url)
    with github_client(sandbox, redis, TOKEN) as github:
        yield Ingestor(sandbox, github, committing_database), Ingestor(sandbox, github, engine)


def test_a_cluster_stores_and_reads_what_one_postgres_does(both):
    plain, spread = both
    logins = plain.world.logins()
    for ingestor in both:
        run = ingestor.refresh(*logins, extras=True)
        assert (run.state, run.stored) == ("done", len(logins)), [item.error for item in run.items]
        again = ingestor.refresh(*logins)
        assert {item.state for item in again.items} == {"unchanged"}
    for login in logins:
        assert without_times(spread.stored_account(login)) == without_times(plain.stored_account(login))
    largest = plain.login_with_most_repositories()
    for name, question in questions(largest, datetime.now(UTC)).items():
        assert_same(name, answer(plain.engine, question), answer(spread.engine, question))


# What an import stores, by name: ids of sources and accounts differ between two databases.
IMPORTED_ROWS = {
    "snapshots": """
        SELECT full_name, login, source.name, captured_at, stars, forks
          FROM repository_snapshot AS snapshot JOIN repository ON repository.id = repository_id
          JOIN account ON account.id = account_id JOIN source ON source.id = source_id WHERE source_id <> 1""",
    "months": """
        SELECT repository_id, month, before_at, stars_before, captured_at::text, counts::text
          FROM repository_month WHERE source_id <> 1""",
    "extras": """
        SELECT repository_id, captured_at, open_issues, open_issues_and_change_requests
          FROM repository_extra_snapshot WHERE source_id <> 1""",
    "captures": "SELECT repository_id, captured_at FROM capture WHERE source_id <> 1",
    "imports": """
        SELECT repository_id, first_at, last_at, captures, stars, forks, open_issues, stars_30d, stars_365d
          FROM repository_import""",
    "summaries": """
        SELECT repository_id, full_name, language, stars, stars_7d, stars_365d, is_gone FROM repository_summary""",
    "versions": "SELECT repository_id, until, since, full_name FROM repository_version WHERE is_fork IS NULL",
    "languages": "SELECT language, repositories, stars FROM language_day WHERE source_id <> 1",
    "sources": "SELECT name, cadence, closed_until, last_month FROM source WHERE id <> 1",
}


def test_history_is_imported_corrected_and_adopted_on_a_cluster(both, tmp_path):
    """First of names only, half of which GitHub reports later, then again with other values."""
    plain, spread = both
    world = plain.world
    whole, corrected = tmp_path / "history.csv.gz", tmp_path / "corrected.csv.gz"
    write_history(world, whole, years=2)
    with gzip.open(whole, "rt") as given, gzip.open(corrected, "wt") as other:
        for number, row in enumerate(csv.reader(given)):
            csv.writer(other).writerow([*row[:2], int(row[2]) + 1, *row[3:]] if number % 7 == 6 else row)

    def stored_by(step: Callable[[Ingestor], Any]) -> None:
        reported = [step(ingestor) for ingestor in both]
        assert reported[0] == reported[1]
        for name, sql in IMPORTED_ROWS.items():
            rows = [sorted(map(repr, ingestor.rows(sql))) for ingestor in both]
            assert rows[0] == rows[1], name

    def imported(file: Path, source: str = "Kept") -> Callable[[Ingestor], Any]:
        def run(ingestor: Ingestor) -> Any:
            report = import_history(file, source, engine=ingestor.engine, clock=lambda: datetime.now(UTC))
            return report.rows, report.written, report.repositories, report.rejected

        return run

    stored_by(imported(whole))
    assert spread.count("repository_month") > spread.count("repository") > 0
    stored_by(imported(whole))
    stored_by(lambda ingestor: ingestor.refresh(*world.logins()[:3]).stored)
    stored_by(imported(corrected))
    stored_by(imported(whole, "Other"))
    stored_by(lambda ingestor: ingestor.refresh(*world.logins()).stored)


NIGHTLY_ROWS = {
    "months": """
        SELECT repository_id, month, stars_before, cardinality(captured_at), counts::text FROM repository_month""",
    "open snapshots": "SELECT count(*) FROM repository_snapshot_open",
    "days": "SELECT accounts FROM capture_day",
    "summaries": "SELECT repository_id, full_name, stars, stars_1d, stars_30d, is_gone FROM repository_summary",
    "languages": "SELECT language, repositories, stars, bytes FROM language_day",
    "contributors": "SELECT repository_id, github_id, login, commits FROM repository_contributor",
    "releases": "SELECT repository_id, github_id, tag, downloads FROM release",
    "stars by day": "SELECT repository_id, day, stars FROM star_day",
    "traffic": "SELECT repository_id, day, views, unique_views, clones, unique_clones FROM traffic_day",
    "stars of the past": "SELECT repository_id, first_day, next_page, completed_at IS NULL FROM star_backfill",
    "facts": "SELECT kind, state, count(*) FROM enrichment GROUP BY kind, state",
    "backlog": "SELECT kind, subjects FROM enrichment_backlog",
    "tracked": "SELECT lower(login), due_at IS NOT NULL FROM tracked_account JOIN account ON account.id = account_id",
    "accounts": "SELECT login FROM account",
}
MANY_FACTS = ("star_history", "releases", "contributors")


def test_facts_and_nights_are_those_of_one_postgres(both):
    """Each fact twice, the second time nothing is new; then a night 40 days later closes the months before."""
    later = datetime.now(UTC) + timedelta(days=40)
    logins = both[0].world.logins()
    reported: list[list[Any]] = [[], []]
    owner = both[0].login_with_most_repositories()
    both[0].sandbox.limits.tokens[TOKEN] = owner  # GitHub shows traffic to those who may push
    for ingestor, numbers in zip(both, reported, strict=True):
        with ingestor.engine.begin() as connection:
            for login in (*logins, "nobody-here"):
                accounts_tracked.track(connection, login, "ada")
        ingestor.refresh(*logins, "nobody-here", extras=True)
        enricher = Enricher(ingestor.github, ingestor.engine, ingestor.github.api_url)
        ids = [id_ for (id_,) in ingestor.rows("SELECT id FROM repository ORDER BY id LIMIT 12")]
        owned = ingestor.rows(
            "SELECT repository.id FROM repository JOIN account ON account.id = account_id WHERE login = :owner"
            " ORDER BY repository.id LIMIT 2", owner=owner
        )  # fmt: skip
        traffic, pages = ("traffic", [id_ for (id_,) in owned], None), ("star_backfill", ids[:2], 3)
        for kind, of, most in (*((kind, ids, None) for kind in (*MANY_FACTS, *MANY_FACTS)), traffic, traffic, pages):
            run = enricher.run(kind, of, force=True, max_cost=most)
            numbers.append((kind, run.stored, run.failed, run.rows_written))
        with use_engine(ingestor.engine, everywhere=True):
            known = [repository_facts.has_all_star_days(id_, None) for id_ in ids]
            added_up = [not star_history.stars_before_captures(id_, None).empty for id_ in ids]
        numbers.append((known, added_up))
    both[0].world.advance(days=40)
    for ingestor, numbers in zip(both, reported, strict=True):
        ingestor.refresh(*logins)
        jobs = ScheduledJobs(ingestor.engine, clock=lambda: later)
        for job in (
            *(jobs.create_partitions, jobs.enqueue_due_accounts, jobs.enqueue_due_facts, jobs.update_refresh_plan),
            *(jobs.update_language_rollup, jobs.run_daily_maintenance, jobs.close_history, jobs.release_abandoned_jobs),
            *(jobs.measure_enrichment_backlog, jobs.update_state_alerts, jobs.delete_expired_sessions),
        ):
            job()
        with ingestor.engine.begin() as connection:
            numbers += [accounts_tracked.untrack(connection, login) for login in (logins[0], "nobody-here")]
        with use_engine(ingestor.engine, everywhere=True):
            costs = enrichment.kind_costs(datetime.now(UTC))
            numbers.append(enrichment.forecast(costs, [], later, with_token=True))
    assert reported[0] == reported[1]
    for name, sql in NIGHTLY_ROWS.items():
        rows = [sorted(map(repr, ingestor.rows(sql))) for ingestor in both]
        assert rows[0] == rows[1], name
    assert both[1].count("traffic_day") > 0
    assert both[1].rows("SELECT count(*) FROM star_backfill WHERE next_page > 2") != [(0,)]
    assert both[1].count("repository_month") > both[1].count("repository") > 0


RAISED_ALERTS = """
    SELECT alert.kind, alert.subject, message, details, ended_at IS NULL, account.login, full_name
      FROM alert LEFT JOIN account ON account.id = account_id LEFT JOIN repository ON repository.id = repository_id"""
DELIVERIES = """
    SELECT event, alert.kind, state, attempts, http_status, finished_at IS NOT NULL
      FROM webhook_delivery JOIN alert ON alert.id = alert_id"""


def test_alerts_are_those_of_one_postgres(both, receiver):  # noqa: F811
    """A change, a jump and a loss of stars found by a refresh; then accounts that are late, and their webhook."""
    plain, spread = both
    login = plain.login_with_most_repositories()
    archived, jumped, dropped = [
        one["full_name"] for one in plain.sandbox.ground_truth(login)["repositories"] if not one["is_archived"]
    ][:3]
    plain.world.edit.star(dropped, 1000)
    for ingestor in both:
        with ingestor.engine.begin() as connection:
            accounts_tracked.track(connection, login, "ada")
            rules.add_rule(connection, "stars_jumped", {"gained": 5000, "share": 0.0, "days": 1}, "ada")
            rules.add_rule(connection, "stars_dropped", {"lost": 700, "share": 0.0, "days": 1}, "ada")
            rules.add_webhook(connection, "all", receiver.url, "json", "ada")
        ingestor.refresh(login)
        assert ingestor.count("alert") == 0
    plain.world.advance(hours=25)
    plain.world.edit.archive(archived)
    plain.world.edit.star(jumped, 5000)
    plain.world.edit.star(dropped, -800)
    later = datetime.now(UTC) + timedelta(hours=25)
    late = later + timedelta(days=3)
    for ingestor in both:
        ingestor.refresher.clock = lambda: later
        ingestor.refresh(login)
        low = [RemainingBudget("core", 10, 5000)]
        for now, changed in ((late, (2, 0)), (late, (0, 0)), (later, (0, 1))):
            with ingestor.engine.begin() as connection:
                assert evaluate.update_state_alerts(connection, low, now, timedelta(hours=6)) == changed
        sender = WebhookSender(ingestor.engine, lambda: late, allow_private=True)
        for (id_,) in ingestor.rows("SELECT id FROM webhook_delivery WHERE event = 'raised' ORDER BY id"):
            sender.deliver(id_)
    alerts, deliveries = (
        [sorted(map(repr, ingestor.rows(sql))) for ingestor in both] for sql in (RAISED_ALERTS, DELIVERIES)
    )
    assert alerts[0] == alerts[1]
    assert {(kind, subject) for kind, subject, *_ in spread.rows(RAISED_ALERTS)} == {
        *(("archived", archived), ("stars_jumped", jumped), ("stars_dropped", dropped)),
        *(("freshness_missed", "tracked accounts"), ("budget_short", "core")),
    }
    assert deliveries[0] == deliveries[1]
    raised = spread.rows("SELECT count(*) FROM webhook_delivery WHERE event = 'raised' AND state = 'delivered'")
    assert raised == [(spread.count("alert"),)]
    assert len(receiver.received) == 2 * spread.count("alert")


def questions(login: str, then: datetime) -> dict[str, Callable[[], Any]]:
    """Return what pages ask of the present and as of a moment; an account's id differs between two databases."""
    full_name = str(repository_detail.suggestions().iloc[0]["full_name"])

    def account_id() -> int:
        found = accounts.find(login, None)
        assert found is not None
        return found.account_id

    def repository_id() -> int:
        found = repository_detail.find(*full_name.split("/"), None)
        assert found is not None
        return found.repository_id

    return {
        "overview": overview.stored_totals,
        "accounts": accounts.suggestions,
        "repositories": lambda: repository_list.matching_repositories(repository_list.Filters()),
        "filtered": lambda: repository_list.matching_repositories(
            repository_list.Filters(min_stars=5, hidden=frozenset({"forks"}))
        ),
        "distribution": lambda: repository_list.star_distribution(repository_list.Filters()),
        "languages": lambda: languages.ranking("GitHub", None),
        "account": lambda: repository_detail.by_account(account_id(), None),
        "repository": lambda: repository_detail.by_name(*full_name.split("/"), None),
        "globe": lambda: globe.account_locations(None),
        "city": lambda: scene.city_repositories(scene.CityFilters()),
        "city as of": lambda: scene.city_repositories(scene.CityFilters(as_of=then)),
        "account's table": lambda: account_repositories.list_repositories(account_id(), None),
        "account's table as of": lambda: account_repositories.list_repositories(account_id(), then),
        "repositories as of": lambda: repository_list.matching_repositories(repository_list.Filters(as_of=then)),
        "distribution as of": lambda: repository_list.star_distribution(repository_list.Filters(as_of=then)),
        "account as of": lambda: repository_detail.by_account(account_id(), then),
        "repository as of": lambda: repository_detail.by_name(*full_name.split("/"), then),
        "movers": lambda: movers.movers(None, 3_650).rows,
        "movers as of": lambda: movers.movers(then, 3_650).rows,
        "peers as of": lambda: peers.totals_of([full_name.split("/", maxsplit=1)[0]], then),
        "ranks as of": lambda: peers.repository_ranks([repository_id()], then),
        "leading accounts as of": lambda: language_use.leading_users(then),
        "captures": lambda: star_history.coverage_intervals(repository_id(), None),
        "languages over time": lambda: languages.account_language_history(account_id(), then),
    }


def test_each_node_joins_the_newest_counts_of_its_repositories(engine):
    """One query to the shards reads all about repositories: nothing is collected, joined elsewhere and sent back."""
    sql = f"WITH {NEWEST_CTE} SELECT * FROM newest JOIN repository ON repository.id = newest.repository_id"
    values = {"until": datetime.now(UTC)}
    with engine.connect() as connection:
        plan = connection.scalars(text(f"EXPLAIN (VERBOSE) {sql}"), values).all()
    queries = [line for line in plan if "Query: " in line]
    assert [line.count("repository_month") > 1 for line in queries if "repository" in line] == [True]


def test_nodes_send_the_rows_of_the_accounts_that_are_summed_up_alone(engine):
    """Otherwise each refresh would read the summaries of all repositories there are."""
    sql = summaries.UPSERT_ACCOUNTS.replace(":accounts", "'{1}'")  # EXPLAIN takes no values here
    with engine.connect() as connection:
        plan = connection.scalars(text(f"EXPLAIN (VERBOSE) {sql}")).all()
    queries = [line for line in plan if "Query: " in line]
    assert ["account_id OPERATOR(pg_catalog.=) ANY" in line for line in queries] == [True]


def answer(engine: Engine, question: Callable[[], Any]) -> Any:
    with use_engine(engine, everywhere=True):
        return question()


def assert_same(name: str, one: Any, other: Any) -> None:
    if isinstance(one, DataFrame):
        columns = [column for column in one.columns if not str(column).endswith(("_at", "account_id"))]
        keys = [column for column in columns if column in {"full_name", "login", "language", "name"}][:1]
        frames = [
            frame[columns].sort_values(keys).reset_index(drop=True) if keys else frame[columns]
            for frame in (one, other)
        ]
        assert not frames[0].empty, name
        assert_frame_equal(*frames, obj=name)
    else:
        assert str(one) == str(other), name


def without_times(given: Any) -> Any:
    """Leave out when something was captured: the two were refreshed one after the other."""
    if isinstance(given, dict):
        return {key: without_times(value) for key, value in given.items() if key not in {"captured_at", "checked_at"}}
    if isinstance(given, list):
        return [without_times(one) for one in given]
    return given


def test_accounts_are_tracked_and_due_on_a_cluster(engine):
    with engine.begin() as connection:
        accounts_tracked.track(connection, "hubot", "ada", "cat")
        accounts_tracked.track(connection, "hubot", "ada", "dog")
        found = due_accounts.due_accounts(connection, datetime.now(UTC), 10)
        assert "hubot" in [one.login for one in found]
        tracked = text("SELECT only_repositories FROM tracked_account JOIN account ON account.id = account_id"
                       " WHERE login = 'hubot'")  # fmt: skip
        assert connection.scalar(tracked) == ["cat", "dog"]
        connection.execute(text("DELETE FROM tracked_account"))


def test_a_late_row_keeps_its_partition(cluster, engine):
    """It is stored between the question whether the partition is empty and the lock; the rows are on other nodes."""
    at = datetime(2024, 1, 5, tzinfo=UTC)
    with engine.begin() as connection:
        partitions.ensure_partitions(connection, date(2024, 1, 1), date(2024, 1, 1))
    stored = []

    @event.listens_for(engine, "before_cursor_execute")
    def store_late(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("LOCK TABLE") and not stored:
            stored.append(at)
            with engine.begin() as other:
                writer.write_snapshots(other, [(1, at, 5, 0, 10)])

    assert partitions.drop_emptied_partitions(engine, date(2024, 2, 1)) == 0
    assert stored == [at]
    with engine.begin() as connection:
        kept = "DELETE FROM repository_snapshot_open WHERE captured_at = :at RETURNING stars"
        assert connection.execute(text(kept), {"at": at}).scalars().all() == [5]
    assert partitions.drop_emptied_partitions(engine, date(2024, 2, 1)) == 1


def test_a_backup_is_restored_on_a_cluster_and_elsewhere(cluster, both, tmp_path):
    """The tables of a backup are plain ones: what is restored is spread with its rows, and its numbers go on."""
    binaries = find_postgres_with_citus()
    if not cluster.nodes or binaries is None:
        pytest.skip("the programs of the cluster's version are not here")
    _, spread = both
    logins = spread.world.logins()
    spread.refresh(*logins)
    tables = ("repository_current", "repository_language", "capture", "ingest_item", "account")
    counts = [spread.count(table) for table in tables]
    file = tmp_path / "cluster.backup"
    write_backup(cluster.url, file, str(binaries))
    arrow.close_idle_connections()  # of the tests before
    restore_backup(cluster.url, file, str(binaries), replace=True)
    assert distribute_if_needed(cluster.url)
    with psycopg.connect(cluster.url) as connection:
        assert citus.missing_tables(connection) == []
    assert [spread.count(table) for table in tables] == counts
    assert spread.refresh(*logins).stored == len(logins)
    with psycopg.connect(cluster.nodes[0].url("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE one")
    restore_backup(cluster.nodes[0].url("one"), file, str(binaries))
    with psycopg.connect(cluster.nodes[0].url("one")) as connection:
        assert connection.execute("SELECT count(*) FROM repository_current").fetchone() == (counts[0],)


def test_a_node_that_is_gone_leaves_nothing_half_written(cluster, both):
    if not cluster.nodes:
        pytest.skip("only nodes of our own can be stopped")
    _, spread = both
    logins = spread.world.logins()
    spread.refresh(*logins)
    before = spread.count("capture")
    worker = cluster.nodes[-1]
    worker.stop()
    try:
        with pytest.raises(DBAPIError):
            spread.refresh(*logins)
        status = answer_status(spread.engine)
        assert status is not None
        assert status.unavailable == [worker.name]
    finally:
        worker.start()
    run = spread.refresh(*logins)
    assert run.stored == len(logins)
    assert spread.count("capture") >= before
    assert spread.rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
    assert spread.rows(
        "SELECT count(*) FROM repository_current LEFT JOIN repository ON id = repository_id WHERE id IS NULL"
    ) == [(0,)]


def test_a_node_is_added_and_taken_out_while_accounts_are_refreshed_and_read(cluster, both):
    """Each round gives a star to a repository of every account: none is lost, and none is stored twice."""
    plain, spread = both
    world, logins = plain.world, plain.world.logins()
    starred = [plain.active_repository(login) for login in logins]
    for ingestor in both:
        ingestor.refresh(*logins)
    before = dict(stars_by_time(spread))
    stop, rounds, answers = threading.Event(), [], []

    def refresh_in_rounds() -> None:
        while not stop.is_set():
            for full_name in starred:
                world.edit.star(full_name, 1)
            rounds.append(spread.refresh(*logins))

    def read_in_rounds() -> None:
        while not stop.is_set():
            answers.extend(question() for question in questions(logins[0], datetime.now(UTC)).values())

    with (
        another_node(cluster) as node,
        use_engine(spread.engine, everywhere=True),
        ThreadPoolExecutor(2) as threads,
    ):
        running = [threads.submit(refresh_in_rounds), threads.submit(read_in_rounds)]
        try:
            planned = [answer_status(spread.engine).moves_planned for _ in documented(cluster, ADD_NODE, node)]
            filled = answer_status(spread.engine)
            assert_settings_of_nodes(cluster)
            copies = cluster.execute(
                "SELECT DISTINCT count(*) FROM citus_shards WHERE citus_table_type = 'reference' GROUP BY shardid"
            )
            assert len(list(documented(cluster, TAKE_NODE_OUT, node))) == 3
            # What is left to drop on a node that is gone would hold up each later move of the same shards.
            assert cluster.execute(LEFT_ON_NODES_THAT_ARE_GONE) == [(0,)]
        finally:
            stop.set()
        for each in running:
            each.result()
    assert [count > 0 for count in planned] == [False, False, True, False]  # from the start of a rebalance to its end
    assert {one.name: one.shards > len(citus.ON_EVERY_NODE) for one in filled.nodes if not one.is_coordinator} == {
        worker.name: True for worker in (*cluster.nodes[1:], node)
    }
    assert copies == [(len(cluster.nodes) + 1,)]
    assert node.name not in {one.name for one in answer_status(spread.engine).nodes}
    assert rounds
    assert answers
    assert [run.stored for run in rounds] == [len(logins)] * len(rounds)
    after = stars_by_time(spread)
    for full_name in starred:
        first = before[full_name][-1]
        assert after[full_name] == [*range(first, first + len(rounds) + 1)]
    plain.refresh(*logins)
    for name, question in questions(plain.login_with_most_repositories(), datetime.now(UTC)).items():
        if name != "captures":
            assert_same(name, answer(plain.engine, question), answer(spread.engine, question))


@pytest.mark.parametrize("read", [frames.read_frame, arrow.read_arrow])
def test_a_read_that_meets_a_shard_on_its_way_is_repeated(cluster, engine, monkeypatch, read):
    with shard_on_its_way(cluster, monkeypatch), use_engine(engine, everywhere=True):
        assert read("SELECT count(*) AS n FROM repository WHERE full_name <> ''")["n"].tolist()[0] >= 0


def test_a_forecast_that_meets_a_shard_on_its_way_is_repeated(cluster, engine, monkeypatch, redis):
    with shard_on_its_way(cluster, monkeypatch), use_engine(engine, everywhere=True):
        assert running_ingestions.cost_sentence([1], datetime.now(UTC)).startswith("Costs ")


def test_a_request_that_meets_a_shard_on_its_way_is_repeated(cluster, engine, monkeypatch, own_limits):  # noqa: F811
    """Of all that pages and API change, untracking alone asks the shards: what was never reported is forgotten."""
    with engine.begin() as connection:
        admin = Identity(add_person(connection, "ada", "admin"), "ada", "admin")
        accounts_tracked.track(connection, "mona", "ada")
    with shard_on_its_way(cluster, monkeypatch), use_engine(engine, everywhere=True):
        assert api_client(admin).delete("/api/v1/tracked/mona").status_code == 204
    with engine.begin() as connection:
        assert accounts_tracked.find_account_id(connection, "mona") is None
        audited = text("SELECT action FROM audit_event WHERE target = 'mona'")
        assert connection.scalars(audited).all() == ["account_untracked"]


@contextmanager
def shard_on_its_way(cluster: CitusCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a shard another name, on the node where plans expect it, until a statement in this block has failed."""
    if not cluster.nodes:
        pytest.skip("only shards of our own nodes can be renamed")
    ((shard, port),) = cluster.execute(
        "SELECT shard_name, nodeport FROM citus_shards WHERE table_name = 'repository'::regclass"
        " ORDER BY shardid LIMIT 1"
    )
    (node,) = [node for node in cluster.nodes if node.port == port]

    def rename(old: object, new: object) -> None:
        with psycopg.connect(node.url(), autocommit=True) as connection:
            connection.execute("SET citus.enable_manual_changes_to_shards TO on")
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}".encode())

    errors: list[BaseException | None] = []

    def put_back(error: BaseException | None) -> int:
        errors.append(error)
        rename("on_its_way", shard)
        return max_repeats(error)

    monkeypatch.setattr(engines, "max_repeats", put_back)
    rename(shard, "on_its_way")
    try:
        yield
    finally:
        if not errors:
            rename("on_its_way", shard)
    assert [f'{shard}" does not exist' in str(error) for error in errors] == [True]


@contextmanager
def another_node(cluster: CitusCluster) -> Iterator[Node]:
    binaries = find_postgres_with_citus()
    if not cluster.nodes or binaries is None:
        pytest.skip("only a cluster of our own can get another node")
    with folder_of_nodes() as folder, running_node(binaries, folder / "node") as node:
        yield node


def documented(cluster: CitusCluster, first: str, node: Node) -> Iterator[str]:
    """Run the statements of OPERATIONS.md's block that begins with *first*, for *node*; yield each when it was run.

    As it says, one that ends in a deadlock with a refresh is run again.
    """
    block = re.search(rf"```sql\n{first}.*?```", OPERATIONS.read_text(), re.DOTALL)
    assert block, f"OPERATIONS.md shows no {first}"
    for statement in block[0].splitlines()[1:-1]:
        for attempt in Retrying(
            retry=retry_if_exception_type(DeadlockDetected), stop=stop_after_attempt(5), reraise=True
        ):
            with attempt:
                cluster.execute(statement.replace("'worker3', 5432", f"'127.0.0.1', {node.port}"))
        yield statement


def stars_by_time(ingestor: Ingestor) -> dict[str, list[int]]:
    """Return each repository's stored counts, oldest first."""
    counts = defaultdict(list)
    for full_name, stars in ingestor.rows(
        "SELECT full_name, stars FROM repository_snapshot JOIN repository ON repository.id = repository_id"
        " ORDER BY captured_at"
    ):
        counts[full_name].append(stars)
    return counts


def answer_status(engine: Engine) -> Any:
    with engine.connect() as connection:
        return cluster_status(connection)
