"""Rate budgets belong to token owners; headers and refusals report them."""

import httpx
import pytest

from ingest.sandbox import Sandbox
from ingest.sandbox.server.limits import Limits
from ingest.sandbox.server.messages import ApiRequest
from ingest.sandbox.world.clock import Clock

VIEWER_QUERY = {"query": "{ viewer { login } }"}


def authorization_header(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_two_tokens_of_one_person_share_a_budget(signed_in):
    signed_in.get("/user")
    assert signed_in.get("/user", headers=authorization_header("sandbox-token-1b")).headers["x-ratelimit-used"] == "2"
    assert signed_in.get("/user", headers=authorization_header("sandbox-token-2")).headers["x-ratelimit-used"] == "1"


def test_rest_and_graphql_have_separate_budgets(signed_in):
    rest, graphql = signed_in.get("/user"), signed_in.post("/graphql", json=VIEWER_QUERY)
    assert (rest.headers["x-ratelimit-resource"], rest.headers["x-ratelimit-used"]) == ("core", "1")
    assert (graphql.headers["x-ratelimit-resource"], graphql.headers["x-ratelimit-used"]) == ("graphql", "1")


def test_an_exhausted_budget_refuses_until_its_reset(sandbox, signed_in):
    sandbox.limits.set_remaining(1)
    assert signed_in.get("/user").headers["x-ratelimit-remaining"] == "0"
    refused = signed_in.get("/user")
    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
    assert refused.json()["message"].startswith("API rate limit exceeded for user ID")
    wait = int(refused.headers["x-ratelimit-reset"]) - sandbox.world.now()
    assert 0 < wait <= 3600
    assert signed_in.post("/graphql", json=VIEWER_QUERY).status_code == 200
    sandbox.world.advance(seconds=wait)
    assert signed_in.get("/user").status_code == 200


def test_a_query_over_the_remaining_budget_is_refused_with_200(sandbox, signed_in):
    login = sandbox.world.accounts[0].login
    dear = "forks { totalCount } issues { totalCount } watchers { totalCount }"
    query = f'{{ organization(login: "{login}") {{ repositories(first: 100) {{ nodes {{ {dear} }} }} }} }}'
    sandbox.limits.set_remaining(2, resource="graphql")
    answer = signed_in.post("/graphql", json={"query": query})
    assert (answer.status_code, answer.json()["errors"][0]["type"]) == (200, "RATE_LIMITED")
    assert answer.headers["x-ratelimit-remaining"] == "2"


def test_anonymous_clients_have_sixty_requests_an_hour(anonymous):
    statuses = [anonymous.get("/users/no-such").status_code for _ in range(61)]
    assert statuses == [404] * 60 + [403]
    assert anonymous.get("/rate_limit").json()["resources"]["core"]["remaining"] == 0


def test_the_rate_limit_endpoint_is_free(signed_in):
    signed_in.get("/user")
    for _ in range(2):
        answer = signed_in.get("/rate_limit")
        assert answer.json()["resources"]["core"]["used"] == 1
        assert answer.headers["x-ratelimit-used"] == "1"


def test_exceeding_the_points_per_minute_is_a_secondary_limit(sandbox, signed_in):
    sandbox.limits.rest_per_minute = 3
    answers = [signed_in.get("/user") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 403]
    assert answers[3].headers["retry-after"] == "60"
    assert answers[3].headers["x-ratelimit-remaining"] == "4997"
    assert signed_in.post("/graphql", json=VIEWER_QUERY).status_code == 200


def test_points_are_restored_after_a_minute():
    clock = [0.0]
    limits = Limits(Clock(), monotonic=lambda: clock[0])
    limits.rest_per_minute = 2
    question = ApiRequest("GET", "/user", {}, {}, owner="sandbox-owner-1")
    assert [limits.begin_request(question, "core") is None for _ in range(3)] == [True, True, False]
    clock[0] = 60.0
    assert limits.begin_request(question, "core") is None


def test_too_many_concurrent_requests_are_a_secondary_limit():
    limits = Limits(Clock())
    limits.max_concurrent = 2
    question = ApiRequest("GET", "/user", {}, {}, owner="sandbox-owner-1")
    assert [limits.begin_request(question, "core") is None for _ in range(3)] == [True, True, False]
    limits.end_request(question)
    limits.end_request(question)
    assert limits.begin_request(question, "core") is None


@pytest.fixture
def wrong(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(
        base_url=sandbox.url, headers={"User-Agent": "tests", **authorization_header("nonsense")}, timeout=60
    )


def test_an_invalid_token_is_refused(wrong):
    with wrong:
        for answer in (wrong.get("/user"), wrong.post("/graphql", json=VIEWER_QUERY)):
            assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")
