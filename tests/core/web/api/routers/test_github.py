"""Account statistics are one response; an unknown account is collected, with a status to poll."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, text

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import accounts as queries
from core.queue.lookups import Lookup, LookupResult, LookupStore, login_lookup_id
from core.settings import settings
from core.tracking import accounts
from tests import seed_data

STATS = "/api/v1/github/stats"


@pytest.fixture
def octo(database):
    """Add four repositories, one deleted and one a fork; one language was read twice."""
    account = seed_data.add_account(database, "octo", github_id=1, kind="organization", name="Octo")
    at = seed_data.utc("2026-03-01")
    database.execute(
        insert(schema.account_snapshot).values(
            account_id=account,
            captured_at=at,
            followers=9,
            following=None,
            public_repositories=3,
            stars=170,
            forks=3,
            repositories=3,
        )
    )
    for n, (name, stars) in enumerate({"cat": 100, "dog": 50, "fork": 20, "late": 1}.items()):
        repository = seed_data.add_repository(
            database,
            f"octo/{name}",
            {"2026-03-01": stars},
            github_id=70 + n,
            is_fork=name == "fork",
            gone_at=at if name == "late" else None,
        )
        for language, size in {"Python": 300, "C": 100}.items():
            database.execute(
                insert(schema.repository_language).values(
                    repository_id=repository, captured_at=at, language=language, bytes=size
                )
            )
    publish_data_version(database)
    return database


def test_the_statistics_equal_the_stored_data(octo, analyst):
    response = analyst.get(f"{STATS}/Octo")
    body = response.json()
    assert response.status_code == 200, response.text
    assert {name: body[name] for name in ("username", "public_repos", "followers", "following", "total_stars")} == {
        "username": "octo",
        "public_repos": 3,
        "followers": 9,
        "following": None,
        "total_stars": 170,
    }
    assert [(repo["name"], repo["stars"], repo["id"]) for repo in body["repos"]] == [
        *[("cat", 100, 70), ("dog", 50, 71), ("fork", 20, 72)]
    ]
    assert body["top_languages"] == [
        {"name": "Python", "bytes": 600, "share": 0.75, "repositories": 2},
        {"name": "C", "bytes": 200, "share": 0.25, "repositories": 2},
    ]
    assert analyst.get(f"{STATS}/octo", headers={"if-none-match": response.headers["etag"]}).status_code == 200
    again = analyst.get(f"{STATS}/Octo", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304


def test_before_the_first_refresh_an_account_is_not_found(octo, analyst):
    response = analyst.get(f"{STATS}/octo", params={"as_of": "2026-02-01"})
    assert response.status_code == 404
    assert response.json()["message"] == "No data about octo was collected before as_of."


@pytest.fixture
def imported(database):
    """An account that only an import knows: 115,868 stars on 1 March 2025, in two repositories."""
    for name, stars in (("cat", 115_000), ("dog", 868)):
        seed_data.add_imported_repository(database, f"famous/{name}", {"2025-03-01": stars}, by="weekly list")
    publish_data_version(database)
    return database


def test_a_day_that_the_account_page_shows_from_imported_history_has_statistics(imported, analyst):
    shown = queries.totals(accounts.find_account_id(imported, "famous"), seed_data.utc("2025-03-02"))
    assert shown.stars == 115_868
    response = analyst.get(f"{STATS}/famous", params={"as_of": "2025-03-02"})
    body = response.json()
    assert response.status_code == 200, response.text
    assert (body["total_stars"], body["source"], body["captured_at"][:10]) == (115_868, "weekly list", "2025-03-01")
    assert (body["followers"], body["public_repos"], body["checked_at"]) == (None, None, None)
    assert [repo["full_name"] for repo in body["repos"]] == ["famous/cat", "famous/dog"]
    assert (body["top_languages"], body["why_no_languages"], body["why_no_repos"]) == ([], "not collected yet", None)
    account = analyst.get("/api/v1/accounts/famous", params={"as_of": "2025-03-02"}).json()
    assert (account["stars"], account["repositories"], account["source"]) == (115_868, 2, "weekly list")


def test_a_day_before_imported_history_has_no_statistics_and_no_account_page(imported, analyst):
    assert queries.totals(accounts.find_account_id(imported, "famous"), seed_data.utc("2025-02-01")) is None
    assert analyst.get(f"{STATS}/famous", params={"as_of": "2025-02-01"}).status_code == 404
    account = analyst.get("/api/v1/accounts/famous", params={"as_of": "2025-02-01"}).json()
    assert (account["stars"], account["source"]) == (None, None)


def test_imported_history_of_an_account_that_github_no_longer_has_is_still_shown(imported, analyst):
    """Asked for now, its collection starts; once GitHub has no such account, what was imported remains."""
    assert analyst.get(f"{STATS}/famous").status_code == 202
    account = accounts.find_account_id(imported, "famous")
    imported.execute(text("UPDATE tracked_account SET queued_at = NULL, job_id = NULL"))
    run = seed_data.insert_row(
        imported, schema.ingest_run, ingestion_id=latest_ingestion_id(imported), trigger="person"
    )
    imported.execute(
        insert(schema.ingest_item).values(
            run_id=run, login="famous", account_id=account, state="failed", error_code="account_not_found"
        )
    )
    response = analyst.get(f"{STATS}/famous")
    assert (response.status_code, response.json()["total_stars"]) == (200, 115_868)


@pytest.mark.parametrize("written", ["newcomer", "@newcomer", "https:%2F%2Fgithub.com%2Fnewcomer"])
def test_a_request_for_an_unknown_account_starts_its_collection(database, analyst, written):
    response = analyst.get(f"{STATS}/{written}")
    if "%2F" in written:  # a slash ends the parameter, escaped or not
        assert response.status_code == 404
        return
    assert response.status_code == 202, response.text
    assert response.json()["status"] == "queued"
    assert response.headers["location"] == response.json()["status_url"] == f"{STATS}/newcomer/status"
    assert "etag" not in response.headers
    job = database.execute(text("SELECT task_name, priority, args FROM procrastinate_jobs")).one()
    assert (job.task_name, job.priority, job.args["by"], job.args["trigger"]) == ("refresh", 10, "ann", "person")
    audited = database.execute(text("SELECT actor, action, target, host(ip_address) FROM audit_event")).one()
    assert tuple(audited) == ("ann", "account_tracked", "newcomer", "192.0.2.7")


BY_COOKIE = {"authorization": ""}


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a browser over plain http says nothing
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
        {"authorization": "Basic cHJveHk6MQ=="},
    ],
)
def test_a_navigation_with_the_session_cookie_tracks_nothing(database, analyst, headers):
    response = analyst.get(f"{STATS}/newcomer", headers=BY_COOKIE | headers)
    assert (response.status_code, response.json()["error"]) == (404, "not_found")
    assert "tracks nothing" in response.json()["message"]
    for table in ("account", "tracked_account", "tracking_request", "audit_event", "ingestion", "procrastinate_jobs"):
        assert database.scalar(text(f"SELECT count(*) FROM {table}")) == 0


def test_a_script_of_our_own_pages_may_ask_for_an_account(database, analyst):
    headers = BY_COOKIE | {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert analyst.get(f"{STATS}/newcomer", headers=headers).status_code == 202


def test_a_navigation_reads_what_is_stored(octo, analyst):
    response = analyst.get(f"{STATS}/octo", headers=BY_COOKIE | {"sec-fetch-site": "cross-site"})
    assert response.status_code == 200


def test_the_ten_repositories_with_the_most_stars_are_shown(octo, analyst):
    """Of 12 more with 200 to 211 stars, ten; cat (100), dog and fork are among all of them."""
    for n in range(12):
        seed_data.add_repository(octo, f"octo/star{n:02}", {"2026-03-01": 200 + n}, github_id=200 + n)
    publish_data_version(octo)
    shown = analyst.get(f"{STATS}/octo").json()["repos"]
    assert [repository["stars"] for repository in shown] == list(range(211, 201, -1))
    assert len(analyst.get("/api/v1/accounts/octo/repositories").json()["data"]) == 15


@pytest.fixture
def answer(redis):
    """Return a function that stores what a worker found about a login."""

    def store(requested, **result):
        found = (LookupResult(requested, **result),)
        LookupStore(redis).put(Lookup(login_lookup_id(requested), (requested,), state="done", results=found))

    return store


def test_an_unknown_login_is_looked_up_before_it_is_tracked(database, analyst, redis, answer, monkeypatch):
    monkeypatch.setenv("LIMIT_TRACK", "1/day")
    settings.cache_clear()
    for _ in range(3):  # polling is no further request
        response = analyst.get(f"{STATS}/never-an-account")
        assert (response.status_code, response.json()["status"]) == (202, "queued")
    status = analyst.get(response.json()["status_url"]).json()
    assert status["message"] == "never-an-account is being checked at GitHub."
    assert database.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'lookup'")) == 1
    answer("never-an-account", is_missing=True, error_message="There is no such account")
    response = analyst.get(f"{STATS}/never-an-account")
    assert response.status_code == 404
    assert response.json()["message"] == "GitHub has no account named never-an-account."
    assert analyst.get(f"{STATS}/never-an-account/status").status_code == 404
    for table in ("account", "tracked_account", "tracking_request", "audit_event", "ingestion"):
        assert database.scalar(text(f"SELECT count(*) FROM {table}")) == 0


def test_a_login_renamed_before_we_saw_it_is_answered_with_its_present_one(database, analyst, redis, answer):
    answer("former", login="present", github_id=7)
    for end in ("", "/status"):
        response = analyst.get(f"{STATS}/former{end}")
        assert response.status_code == 301
        assert response.headers["location"] == f"{STATS}/present{end}"
        assert response.json()["message"] == "former is now called present."


def test_an_account_that_was_found_is_tracked_at_once(database, analyst, redis, answer):
    answer("newcomer", login="newcomer", github_id=7)
    assert analyst.get(f"{STATS}/newcomer").json()["message"] == "newcomer is queued."


def test_a_repeated_request_starts_no_second_collection(database, analyst):
    for _ in range(3):
        assert analyst.get(f"{STATS}/newcomer").status_code == 202
    assert database.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 1
    assert database.scalar(text("SELECT count(*) FROM audit_event")) == 1


def test_requests_for_unknown_accounts_are_rate_limited(database, analyst, monkeypatch):
    monkeypatch.setenv("LIMIT_TRACK", "2/day")
    settings.cache_clear()
    assert [analyst.get(f"{STATS}/account-{n}").status_code for n in range(3)] == [202, 202, 429]
    refused = analyst.get(f"{STATS}/account-9")
    assert int(refused.headers["retry-after"]) >= 1
    assert database.scalar(text("SELECT count(*) FROM tracked_account")) == 2


def test_the_status_reports_the_progress(database, analyst):
    def status() -> tuple[str, str]:
        body = analyst.get(f"{STATS}/newcomer/status").json()
        return body["status"], body["message"]

    analyst.get(f"{STATS}/newcomer")
    account = accounts.find_account_id(database, "newcomer")
    assert status() == ("queued", "newcomer is queued.")
    database.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    assert status() == ("running", "newcomer is being collected.")
    database.execute(text("UPDATE tracked_account SET queued_at = NULL, job_id = NULL"))
    run = seed_data.insert_row(
        database, schema.ingest_run, ingestion_id=latest_ingestion_id(database), trigger="person"
    )
    item = {"run_id": run, "login": "newcomer", "account_id": account, "state": "failed"}
    database.execute(insert(schema.ingest_item).values(**item, error_code="late", error="GitHub did not answer"))
    assert status() == ("failed", "newcomer could not be collected: GitHub did not answer. It will be retried.")
    database.execute(text("UPDATE ingest_item SET error_code = 'account_not_found'"))
    assert status() == ("failed", "GitHub has no account named newcomer.")
    assert analyst.get(f"{STATS}/newcomer").status_code == 404
    database.execute(text("UPDATE account SET checked_at = '2026-03-01 10:30+00'"))
    assert status() == ("stored", "newcomer was collected on 2026-03-01 at 10:30 UTC.")


def latest_ingestion_id(database) -> int:
    return int(database.scalar(text("SELECT max(id) FROM ingestion")))


def test_a_deleted_account_is_reported_as_deleted(octo, analyst):
    octo.execute(
        text("UPDATE account SET gone_at = :at, gone_reason = 'not found'"), {"at": datetime(2026, 5, 1, tzinfo=UTC)}
    )
    response = analyst.get(f"{STATS}/octo")
    assert (response.status_code, response.json()["error"]) == (410, "gone")
    assert "2026-05-01" in response.json()["message"]
    assert analyst.get(f"{STATS}/octo", params={"as_of": "2026-04-01"}).status_code == 200


@pytest.mark.parametrize(
    "login", ["a" * 40, "--", "a_b_c", "%00", "%F0%9F%A6%91", "%D7%A9%D7%9C%D7%95%D7%9D", "x" * 10_000]
)
@pytest.mark.parametrize(
    "path", ["github/stats/{}", "github/stats/{}/status", "accounts/{}", "accounts/{}/repositories.csv"]
)
def test_an_invalid_login_is_refused_and_not_tracked(database, analyst, login, path):
    response = analyst.get("/api/v1/" + path.format(login))
    assert response.status_code == 422
    assert response.json()["error"] == "bad_login"
    assert len(response.json()["message"]) < 300
    assert database.scalar(text("SELECT count(*) FROM account")) == 0


def test_a_request_that_needs_approval_waits_for_an_admin(database, analyst, admin, monkeypatch):
    monkeypatch.setenv("TRACK_APPROVAL", "true")
    settings.cache_clear()
    first, second = analyst.get(f"{STATS}/newcomer"), analyst.get(f"{STATS}/newcomer")
    assert [response.status_code for response in (first, second)] == [202, 202]
    assert first.json()["status"] == "awaiting"
    assert (
        analyst.get(first.json()["status_url"]).json()["message"] == "An admin has to approve the tracking of newcomer."
    )
    assert database.scalar(text("SELECT count(*) FROM tracked_account")) == 0
    assert admin.get(f"{STATS}/newcomer").json()["status"] == "queued"
    assert analyst.get(first.json()["status_url"]).json()["status"] == "queued"
    assert database.scalars(text("SELECT approved FROM tracking_request")).all() == [True]
