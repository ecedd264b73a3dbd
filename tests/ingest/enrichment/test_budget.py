"""The rate budget of enrichment: refreshes come first, and missing endpoints are not requested again."""

from datetime import timedelta

from pydantic import SecretStr

from core.queue import enrichment as kinds
from core.queue.enrichment import ANONYMOUS_RESERVE, FACT_KINDS
from core.settings import Settings
from ingest.github import GitHub
from ingest.github.http.credentials import Token
from tests.ingest.enrichment.conftest import Readings

TOKEN_OWNER = "sandbox-owner-1"


def test_the_budget_is_spent_in_the_order_that_is_written_down():
    """Facts end first, then star history; the pulse leaves a twentieth, readings leave at least two fifths."""
    assert all(kind.reserve >= 0.4 for kind in FACT_KINDS.values())
    assert FACT_KINDS["star_history"].reserve <= min(kind.reserve for kind in FACT_KINDS.values())
    assert all(kind.reserve_for(is_anonymous=True) >= ANONYMOUS_RESERVE for kind in FACT_KINDS.values())
    assert kinds.PRIORITY < 0


def test_readings_stop_at_the_reserve_and_the_pulse_goes_on(readings, famous):
    """At forty percent no star history is asked for; it stays due, and the job says when the budget is back."""
    readings.sandbox.limits.set_remaining(2001, who=TOKEN_OWNER)
    assert readings.read("star_history", famous).stored == 1
    asked = len(readings.sandbox.log)
    spent = readings.read("star_history", famous, force=True)
    assert len(readings.sandbox.log) == asked
    assert spent.retry_at > readings.now()
    assert "rate limit" in spent.stop_reason
    assert readings.ingestor.one(famous.split("/")[0]).is_stored
    with readings.engine.begin() as connection:
        assert (
            connection.exec_driver_sql("SELECT stop_reason FROM enrichment_run ORDER BY id DESC LIMIT 1").scalar()
            == spent.stop_reason
        )


def test_facts_leave_more_than_star_history(readings, famous):
    readings.sandbox.limits.set_remaining(2600, who=TOKEN_OWNER)
    assert readings.read("star_history", famous).stored == 1
    assert readings.read("releases", famous).retry_at is not None


def test_without_a_token_most_of_the_sixty_requests_are_left(anonymous):
    readings = Readings(anonymous)
    readings.sandbox.limits.anonymous = 60
    login = anonymous.login_with_most_repositories("user")
    readings.track(login)
    used = readings.sandbox.limits.bucket("127.0.0.1").used
    names = [one["full_name"] for one in readings.sandbox.ground_truth(login)["repositories"]]
    run = readings.read("star_history", *names, force=True)
    bucket = readings.sandbox.limits.bucket("127.0.0.1")
    assert run.retry_at is not None
    assert bucket.remaining >= 42 or bucket.used == used


def test_an_endpoint_that_no_repository_has_is_remembered_for_all(readings, famous):
    """Enterprise Server knows no star history: one repository is asked, and then none until tomorrow."""
    readings.sandbox.service.rest.without("stargazers/history")
    run = readings.read("star_history", famous)
    assert "no endpoint for star history" in run.stop_reason
    assert readings.rows("SELECT state FROM enrichment WHERE kind = 'star_history'") == []
    asked = len(readings.sandbox.log)
    assert readings.read("star_history", famous).subjects == 0
    assert len(readings.sandbox.log) == asked
    readings.sandbox.world.advance(days=1, minutes=1)
    readings.sandbox.service.rest.without()
    assert readings.read("star_history", famous).stored == 1


def test_one_repository_that_is_not_told_is_not_the_end_of_the_others(readings, famous):
    """Once anybody was told, a 404 is that repository's own."""
    readings.read("star_history", famous)
    other = next(
        one["full_name"]
        for one in readings.sandbox.ground_truth(famous.split("/")[0])["repositories"]
        if one["full_name"] != famous and one["stars"]
    )
    readings.sandbox.service.rest.without("stargazers/history")
    run = readings.read("star_history", other)
    assert (run.failed, run.stop_reason) == (1, None)
    assert readings.state("star_history", other)[0] == "refused"


def test_a_name_that_is_another_repository_now_is_not_stored(readings, famous):
    """Names get reused: the address of the next page tells whose stars these are."""
    world, owner, name = readings.sandbox.world, *famous.split("/")
    other = max(
        (r for r in world.repositories.values() if world.shows(r) and r.full_name != famous and not r.fork
         and world.now() - r.created_at > 2 * 365 * 86400),
        key=lambda r: r.counts(world.now()).stars,
    )  # fmt: skip
    world.edit.rename(famous, f"{name}-before")
    world.edit.transfer(other.full_name, owner)
    world.edit.rename(f"{owner}/{other.name}", name)
    run = readings.read("star_history", famous)
    assert run.failed == 1
    assert "another repository now" in readings.state("star_history", famous)[2]
    assert readings.ingestor.count("star_day") == 0


def test_a_revoked_token_leaves_the_work_to_the_others(ingestor, redis):
    sandbox = ingestor.sandbox
    tokens = (SecretStr("sandbox-token-1"), SecretStr("sandbox-token-2"))
    given = Settings(github_api_url=sandbox.url, github_tokens=tokens)
    with GitHub.from_settings(given, redis) as github:
        readings = Readings(type(ingestor)(sandbox, github, ingestor.engine))
        login = ingestor.login_with_most_repositories("user")
        readings.track(login)
        names = [one["full_name"] for one in sandbox.ground_truth(login)["repositories"] if one["stars"]][:4]
        pinned = readings.rows("SELECT token_fingerprint FROM account WHERE login = :login", login=login)[0][0]
        revoked = next(token for token in tokens if Token(token.get_secret_value()).fingerprint == pinned)
        sandbox.faults.refuse_token(revoked.get_secret_value())
        run = readings.read("star_history", *names)
        assert (run.stored, run.failed) == (len(names), 0)


def test_github_that_fails_again_and_again_ends_the_job(readings, famous):
    readings.sandbox.faults.errors(statuses=(500,))
    owner = famous.split("/")[0]
    names = [one["full_name"] for one in readings.sandbox.ground_truth(owner)["repositories"] if one["stars"]][:6]
    readings.enricher.github._gate.wait = lambda *_told: None
    run = readings.read("star_history", *names)
    assert run.failed <= 3
    assert "status 500" in run.stop_reason
    held = readings.rows("SELECT state, failed_attempts, due_at FROM enrichment")
    assert {(state, tries) for state, tries, _ in held} == {("failed", 1)}
    assert all(timedelta() < due_at - readings.now() < timedelta(hours=1) for _, _, due_at in held)
