"""DATABASE_READ_URL with a real streaming replica: never an older version, and the primary where it fails."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog
from sqlalchemy import make_url, text

from core import prometheus
from core.db import engine, replica
from core.db.arrow import read_arrow
from core.db.data_version import publish_data_version
from core.db.frames import clear_frames, pin_version, read_frame
from core.errors import ServerUnavailable
from core.launcher.check import _check_replica
from core.settings import settings
from core.web.routes.metrics import replica_metrics
from pages.sections import system_status
from tests.pgbouncer import pgbouncer
from tests.streaming_replica import Replica, streaming_replica

pytestmark = pytest.mark.slow
SCHEMA = """
    CREATE TABLE data_version (singleton boolean PRIMARY KEY DEFAULT true, version bigint NOT NULL,
                               past_version bigint NOT NULL DEFAULT 1,
        published_at timestamptz NOT NULL DEFAULT now(), run_id bigint);
    CREATE TABLE star (count bigint NOT NULL);
"""
# Which server answered is part of the answer.
SQL = "SELECT count, pg_is_in_recovery() AS from_replica FROM star ORDER BY count DESC LIMIT 1"


@pytest.fixture(scope="module")
def servers_pair() -> Iterator[Replica]:
    with streaming_replica() as started:
        with psycopg.connect(started.primary_url) as connection:
            connection.execute(SCHEMA)
        while started.execute("SELECT to_regclass('star')") == (None,):
            pass
        yield started


@pytest.fixture
def pair(servers_pair: Replica, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    monkeypatch.setenv("DATABASE_URL", servers_pair.primary_url)
    monkeypatch.setenv("DATABASE_READ_URL", servers_pair.url)
    settings.cache_clear()
    engine.dispose_engines()
    replica.breaker.record_success()
    clear_frames()
    yield servers_pair
    pin_version(None)
    clear_frames()
    engine.dispose_engines()


@pytest.fixture
def publish(pair: Replica) -> Callable[[], int]:
    """Add a star and publish the version that contains it; returns both, which are the same number."""

    def published() -> int:
        with engine.transaction() as connection:
            version = publish_data_version(connection)
            connection.execute(text("INSERT INTO star VALUES (:version)"), {"version": version})
        return version

    return published


def wait_until_replayed(version: int) -> None:
    while (replica.status().version or 0) < version:
        pass


def samples() -> dict[str, float]:
    return {sample.name: sample.value for metric in replica_metrics() for sample in metric.samples}


def answer(version: int, read: Callable[..., object] = read_frame) -> tuple[int, bool]:
    pin_version(version)
    row = read(SQL).iloc[0]
    return int(row["count"]), bool(row["from_replica"])


@pytest.mark.parametrize("read", [read_frame, read_arrow])
def test_the_replica_answers_once_it_has_the_pinned_version(pair, publish, read):
    version = publish()
    wait_until_replayed(version)
    assert answer(version, read) == (version, True)


def test_the_primary_answers_until_the_replica_has_the_version(pair, publish):
    wait_until_replayed(old := publish())
    pair.pause()
    try:
        version = publish()
        assert answer(version) == (version, False)
        status = replica.status()
        assert (status.version, status.lag_bytes > 0, status.lag_seconds > 0) == (old, True, True)
    finally:
        pair.resume()
    wait_until_replayed(version)
    clear_frames()
    assert answer(version) == (version, True)
    assert replica.status().lag_seconds == 0


def test_both_are_reached_through_poolers_in_transaction_mode(pair, publish, monkeypatch):
    """The direct URL beside them is the primary's; neither prepared statements nor settings of others are met."""
    folders = [Path(tempfile.mkdtemp(prefix="almanac-")) for _ in range(2)]
    with (
        pgbouncer(make_url(pair.primary_url), folders[0], pool_size=2) as primary_url,
        pgbouncer(make_url(pair.url), folders[1], pool_size=2) as read_url,
    ):
        monkeypatch.setenv("DATABASE_URL", primary_url)
        monkeypatch.setenv("DATABASE_DIRECT_URL", pair.primary_url)
        monkeypatch.setenv("DATABASE_READ_URL", read_url)
        settings.cache_clear()
        engine.dispose_engines()
        for _ in range(8):  # psycopg prepares what runs for the sixth time
            version = publish()
            wait_until_replayed(version)
            for read in (read_frame, read_arrow):
                assert answer(version, read) == (version, True)
        pair.pause()
        try:
            version = publish()
            assert answer(version) == (version, False)
            assert replica.status().lag_bytes > 0
        finally:
            pair.resume()
        engine.dispose_engines()


def test_what_is_fresh_is_asked_of_the_primary(pair, publish):
    wait_until_replayed(publish())
    assert read_frame(SQL, fresh=True)["from_replica"].tolist() == [False]


def test_the_primary_answers_while_the_replica_is_down(pair, publish):
    version = publish()
    wait_until_replayed(version)
    assert answer(version) == (version, True)
    failed = prometheus.replica_reads.labels("failed")
    before = failed._value.get()
    pair.kill()
    try:
        with structlog.testing.capture_logs() as logged:
            for _ in range(3):
                version = publish()
                assert answer(version) == (version, False)
        with pytest.raises(Exception, match="connection"):
            replica.status()
    finally:
        pair.start()
    # One attempt and one line: the next reads go to the primary at once, until the replica is tried again.
    assert failed._value.get() - before == 1
    assert [line["event"] for line in logged] == ["replica unavailable, the primary answers"]
    replica.breaker.record_success()
    wait_until_replayed(version)
    clear_frames()
    assert answer(version) == (version, True)


def test_a_statement_cancelled_by_replay_is_repeated_on_the_primary(pair, publish):
    version = publish()
    wait_until_replayed(version)
    servers = []

    def read() -> int:
        with engine.transaction() as connection:
            servers.append(connection.scalar(text("SELECT pg_is_in_recovery()")))
            if servers[-1]:
                # As of a reader that stands in the way of replay.
                connection.execute(
                    text("DO $$BEGIN RAISE EXCEPTION 'conflict with recovery' USING ERRCODE = '40001'; END$$")
                )
            return version

    assert replica.read_at_version(version, read) == version
    assert servers == [True, False]


def test_a_failed_statement_fails_on_the_primary_too(pair, publish):
    wait_until_replayed(version := publish())
    pin_version(version)
    with pytest.raises(Exception, match="no_such_table"):
        read_frame("SELECT 1 FROM no_such_table")


def test_a_replica_without_the_newest_migration_is_not_asked_in_vain(pair, publish):
    version = publish()
    wait_until_replayed(version)
    pair.pause()
    try:
        with engine.transaction() as connection:
            connection.execute(text("ALTER TABLE star ADD COLUMN withdrawn bigint"))
        pin_version(version)
        assert read_frame("SELECT withdrawn FROM star LIMIT 1").columns.tolist() == ["withdrawn"]
    finally:
        pair.resume()


def test_a_primary_named_as_replica_is_not_taken_for_one(pair, publish, monkeypatch):
    monkeypatch.setenv("DATABASE_READ_URL", pair.primary_url)
    settings.cache_clear()
    version = publish()
    assert answer(version) == (version, False)
    with pytest.raises(ServerUnavailable, match="not a replica"):
        replica.status()


def test_system_metrics_and_check_show_how_far_it_is_behind(pair, publish):
    wait_until_replayed(publish())
    check = _check_replica
    assert system_status.replica_status().state == "ok"
    assert check() == "up to date with the primary"
    assert samples() == {"almanac_replica_up": 1, "almanac_replica_lag_bytes": 0, "almanac_replica_lag_seconds": 0}
    pair.pause()
    try:
        publish()
        assert "behind the primary" in check()
        assert "behind the primary" in system_status.replica_status().lines[0]
        assert samples()["almanac_replica_lag_bytes"] > 0
    finally:
        pair.resume()
    pair.kill()
    try:
        assert system_status.replica_status().lines[0] == "It does not respond."
        assert samples() == {"almanac_replica_up": 0}
    finally:
        pair.start()


def test_without_a_replica_the_primary_answers(pair, publish, monkeypatch):
    monkeypatch.setenv("DATABASE_READ_URL", "")
    settings.cache_clear()
    version = publish()
    assert answer(version) == (version, False)


def test_an_unreachable_primary_is_still_reported(pair, publish, monkeypatch):
    version = publish()
    wait_until_replayed(version)
    monkeypatch.setenv("DATABASE_READ_URL", f"{pair.url}/nowhere")
    monkeypatch.setenv("DATABASE_URL", "postgresql://almanac@127.0.0.1:1/almanac")
    settings.cache_clear()
    engine.dispose_engines()
    pin_version(version)
    with pytest.raises(Exception, match="connection"):
        read_frame(SQL)
