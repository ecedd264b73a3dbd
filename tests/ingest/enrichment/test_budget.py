"""The rate budget of enrichment: refreshes come first, and missing endpoints are not requested again."""

from datetime import timedelta

from pydantic import SecretStr

from core.queue import enrichment as kinds
from core.queue.enrichment import ANONYMOUS_RESERVE, FACT_KINDS
from core.settings import Settings
from ingest.github import GitHub
from ingest.github.http.credentials import Token
from tests.ingest.enrichment.conftest import EnrichmentHarness

TOKEN_OWNER = "sandbox-owner-1"


def test_the_budget_reserves_follow_the_documented_order():
    """Refreshes leave a twentieth, enrichment at least two fifths, most of the 60 requests without a token."""
    assert all(kind.reserve_for(is_anonymous=False) >= 0.4 for kind in FACT_KINDS.values())
    assert all(kind.reserve_for(is_anonymous=True) >= ANONYMOUS_RESERVE for kind in FACT_KINDS.values())
    assert kinds.PRIORITY < 0


def test_enrichment_stops_at_the_reserve_and_refreshes_continue(harness, most_starred):
    """At forty percent no star history is requested; it stays due, and the job has the reset time."""
    harness.sandbox.limits.set_remaining(2001, who=TOKEN_OWNER)
    assert harness.read("star_history", most_starred).stored == 1
    asked = len(harness.sandbox.log)
    spent = harness.read("star_history", most_starred, force=True)
    assert len(harness.sandbox.log) == asked
    assert spent.retry_at > harness.now()
    assert "rate limit" in spent.stop_reason
    assert harness.ingestor.one(most_starred.split("/")[0]).is_stored
    with harness.engine.begin() as connection:
        assert (
            connection.exec_driver_sql("SELECT stop_reason FROM enrichment_run ORDER BY id DESC LIMIT 1").scalar()
            == spent.stop_reason
        )


def test_star_history_does_not_take_what_other_kinds_reserve(harness, most_starred):
    """It took the limit down to two fifths while the others had stopped at three: they never had a turn."""
    names = [name for (name,) in harness.rows("SELECT full_name FROM repository")]
    harness.sandbox.limits.set_remaining(2006, who=TOKEN_OWNER)
    spent = harness.read("star_history", *names, force=True, max_cost=2)
    assert (spent.cost, spent.stop_reason) == (2, "its cost limit was reached")
    for kind in ("releases", "contributors", "commit_activity"):
        run = harness.read(kind, most_starred, force=True)
        assert (run.tally.requests, run.stop_reason) == (1, None)


def test_a_job_at_its_reserve_gives_up_its_place(harness, most_starred):
    """Another kind may have a smaller reserve, so the job does not wait for the reset."""
    harness.sandbox.limits.set_remaining(2001, who=TOKEN_OWNER)
    assert harness.read("star_history", most_starred).stored == 1
    assert harness.read("star_history", most_starred, force=True).is_at_reserve


def test_without_a_token_most_of_the_sixty_requests_are_reserved(anonymous):
    harness = EnrichmentHarness(anonymous)
    harness.sandbox.limits.anonymous = 60
    login = anonymous.login_with_most_repositories("user")
    harness.track(login)
    used = harness.sandbox.limits.bucket("127.0.0.1").used
    names = [one["full_name"] for one in harness.sandbox.ground_truth(login)["repositories"]]
    run = harness.read("star_history", *names, force=True)
    bucket = harness.sandbox.limits.bucket("127.0.0.1")
    assert run.retry_at is not None
    assert bucket.remaining >= 42 or bucket.used == used


def test_a_missing_endpoint_is_recorded_for_all_repositories(harness, most_starred):
    """Enterprise Server has no star history: one repository is requested, then none until the next day."""
    harness.sandbox.service.rest.without("stargazers/history")
    run = harness.read("star_history", most_starred)
    assert "no endpoint for star history" in run.stop_reason
    assert harness.rows("SELECT state FROM enrichment WHERE kind = 'star_history'") == []
    asked = len(harness.sandbox.log)
    assert harness.read("star_history", most_starred).subjects == 0
    assert len(harness.sandbox.log) == asked
    harness.sandbox.world.advance(days=1, minutes=1)
    harness.sandbox.service.rest.without()
    assert harness.read("star_history", most_starred).stored == 1


def test_a_404_for_one_repository_does_not_stop_the_others(harness, most_starred):
    """After one success, a 404 concerns only that repository."""
    harness.read("star_history", most_starred)
    other = next(
        one["full_name"]
        for one in harness.sandbox.ground_truth(most_starred.split("/")[0])["repositories"]
        if one["full_name"] != most_starred and one["stars"]
    )
    harness.sandbox.service.rest.without("stargazers/history")
    run = harness.read("star_history", other)
    assert (run.failed, run.stop_reason) == (1, None)
    assert harness.state("star_history", other)[0] == "refused"


def test_facts_of_a_reused_name_are_not_stored(harness, most_starred):
    """Names are reused: the URL of the next page identifies the repository."""
    world, owner, name = harness.sandbox.world, *most_starred.split("/")
    other = max(
        (r for r in world.repositories.values() if world.shows(r) and r.full_name != most_starred and not r.fork
         and world.now() - r.created_at > 2 * 365 * 86400),
        key=lambda r: r.counts(world.now()).stars,
    )  # fmt: skip
    world.edit.rename(most_starred, f"{name}-before")
    world.edit.transfer(other.full_name, owner)
    world.edit.rename(f"{owner}/{other.name}", name)
    run = harness.read("star_history", most_starred)
    assert run.failed == 1
    assert "another repository now" in harness.state("star_history", most_starred)[2]
    assert harness.ingestor.count("star_day") == 0


def test_work_of_a_revoked_token_uses_another_token(ingestor, redis):
    sandbox = ingestor.sandbox
    tokens = (SecretStr("sandbox-token-1"), SecretStr("sandbox-token-2"))
    given = Settings(github_api_url=sandbox.url, github_tokens=tokens)
    with GitHub.from_settings(given, redis) as github:
        harness = EnrichmentHarness(type(ingestor)(sandbox, github, ingestor.engine))
        login = ingestor.login_with_most_repositories("user")
        harness.track(login)
        names = [one["full_name"] for one in sandbox.ground_truth(login)["repositories"] if one["stars"]][:4]
        pinned = harness.rows("SELECT token_fingerprint FROM account WHERE login = :login", login=login)[0][0]
        revoked = next(token for token in tokens if Token(token.get_secret_value()).fingerprint == pinned)
        sandbox.faults.refuse_token(revoked.get_secret_value())
        run = harness.read("star_history", *names)
        assert (run.stored, run.failed) == (len(names), 0)


def test_repeated_github_failures_end_the_job(harness, most_starred):
    harness.sandbox.faults.errors(statuses=(500,))
    owner = most_starred.split("/")[0]
    names = [one["full_name"] for one in harness.sandbox.ground_truth(owner)["repositories"] if one["stars"]][:6]
    harness.enricher.github._gate.wait = lambda *_given: None
    run = harness.read("star_history", *names)
    assert run.failed <= 3
    assert "status 500" in run.stop_reason
    stored = harness.rows("SELECT state, failed_attempts, due_at FROM enrichment")
    assert {(state, tries) for state, tries, _ in stored} == {("failed", 1)}
    assert all(timedelta() < due_at - harness.now() < timedelta(hours=1) for _, _, due_at in stored)
