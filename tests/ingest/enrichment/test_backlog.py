"""What is due of each kind is counted with the same conditions as it is queued, and forecast from that."""

from datetime import timedelta

from core.queries import enrichment
from core.queue.enrichment import FACT_KINDS
from ingest.enrichment import backlog, due
from tests.ingest.enrichment.test_enqueue import API_URL


def measure(harness):
    with harness.engine.begin() as connection:
        backlog.measure_backlog(connection, API_URL, harness.now())
    return {row["kind"]: row for row in enrichment.kind_costs(harness.now()).to_dict("records")}


def test_what_is_counted_is_what_is_queued(harness, most_starred):
    harness.track(next(login for login in harness.sandbox.world.logins() if login != most_starred.split("/")[0]))
    harness.read("star_history", most_starred)
    harness.read("releases", most_starred)
    rows = measure(harness)
    with harness.engine.begin() as connection:
        for kind in FACT_KINDS.values():
            waiting = len(due.due_subjects(connection, kind, harness.now(), 10_000))
            assert rows[kind.name]["waiting"] == waiting
            assert rows[kind.name]["subjects"] >= waiting
    assert rows["star_history"]["subjects"] == rows["star_history"]["waiting"] + 1


def test_the_last_day_is_added_up_by_kind(harness, most_starred):
    first = harness.read("star_history", most_starred)
    again = harness.read("star_history", most_starred, force=True, for_people=True)
    assert again.tally.not_modified == 1
    rows = measure(harness)
    assert rows["star_history"]["done"] == 2
    assert rows["star_history"]["requests"] == first.tally.requests + 1
    assert rows["star_history"]["not_modified"] == 1
    assert rows["star_history"]["for_people"] == 1
    tomorrow = enrichment.kind_costs(harness.now() + timedelta(hours=25)).set_index("kind")
    assert tomorrow.loc["star_history", "requests"] == 0


def test_a_kind_without_an_endpoint_is_not_counted(harness, most_starred):
    harness.sandbox.service.rest.without("stargazers/history")
    harness.enricher.api_root = API_URL
    harness.read("star_history", most_starred)
    rows = measure(harness)
    assert "star_backfill" not in rows
    assert "releases" in rows
