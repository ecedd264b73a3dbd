"""Every GitHub failure can be simulated and ends when it should."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ingest.sandbox import Sandbox, World, serve
from ingest.sandbox.server.controls import EDIT_NAMES, FAULT_NAMES
from ingest.sandbox.server.pauses import Pause

VIEWER_QUERY = {"query": "{ viewer { login } }"}


def response_statuses(client: httpx.Client, count: int, path: str = "/user") -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


def test_a_share_of_all_requests_fails(sandbox, signed_in):
    sandbox.faults.errors(0.3, (502,))
    seen = response_statuses(signed_in, 100)
    assert set(seen) == {200, 502}
    assert 10 < seen.count(502) < 55
    sandbox.faults.clear()
    assert set(response_statuses(signed_in, 20)) == {200}


def test_a_fault_applies_to_its_path_count_and_offset(sandbox, signed_in):
    sandbox.faults.errors(statuses=(500,), path="/orgs", times=2, after=1)
    login = sandbox.world.accounts[0].login
    assert response_statuses(signed_in, 2) == [200, 200]
    assert response_statuses(signed_in, 4, f"/orgs/{login}") == [200, 500, 500, 200]


def test_failures_are_charged(sandbox, signed_in):
    sandbox.faults.errors(statuses=(502, 504), times=2)
    response_statuses(signed_in, 2)
    assert signed_in.get("/rate_limit").json()["resources"]["core"]["used"] == 2


def test_html_error_pages_and_malformed_json_are_served(sandbox, signed_in):
    sandbox.faults.html(200)
    sandbox.faults.cut(0.5)
    page, cut = signed_in.get("/user"), signed_in.get("/user")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith("<html>")
    for answer in (page, cut):
        assert answer.status_code == 200
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
            answer.json()
    assert signed_in.get("/user").json()


def test_a_connection_can_be_closed_mid_response(sandbox, signed_in):
    sandbox.faults.hang_up()
    with pytest.raises(httpx.RemoteProtocolError):
        signed_in.get("/user")
    assert signed_in.get("/user").status_code == 200


def test_a_delayed_response_is_complete(sandbox, signed_in):
    sandbox.faults.slow(0.3)
    assert signed_in.get("/user").status_code == 200
    assert next(iter(sandbox.log)).seconds >= 0.3
    with pytest.raises(httpx.ReadTimeout):
        sandbox.faults.slow(3.0)
        signed_in.get("/user", timeout=0.1)


def test_latency_is_the_minimum_response_time():
    with serve(World(accounts=2, repositories=4), latency_ms=1000) as sandbox:
        headers = {"Authorization": "Bearer sandbox-token-1", "User-Agent": "tests"}
        with httpx.Client(base_url=sandbox.url, headers=headers, timeout=60) as client, ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: client.get("/user").status_code, range(8))) == {200}
        assert all(entry.seconds >= 1 for entry in sandbox.log)
        # Eight at once wait together: the second arrives before the first is answered.
        first, second = sorted(sandbox.log, key=lambda entry: entry.arrived)[:2]
        assert second.arrived < first.arrived + first.seconds


def test_queries_for_too_many_nodes_time_out_and_are_charged(sandbox, signed_in):
    login = sandbox.world.accounts[0].login
    sandbox.faults.too_big(50, 504)

    def ask(first: int) -> httpx.Response:
        query = f'{{ organization(login: "{login}") {{ repositories(first: {first}) {{ nodes {{ id }} }} }} }}'
        return signed_in.post("/graphql", json={"query": query})

    assert [ask(first).status_code for first in (100, 51, 50)] == [504, 504, 200]
    assert ask(10).headers["x-ratelimit-used"] == "4"


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("retry_after", [7, None])
def test_secondary_limits_come_with_and_without_retry_after(sandbox, signed_in, status, retry_after):
    sandbox.faults.secondary(status, retry_after)
    answer = signed_in.get("/user")
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == (str(retry_after) if retry_after else None)
    assert int(answer.headers["x-ratelimit-remaining"]) > 0
    assert signed_in.get("/user").status_code == 200


def test_a_403_can_mean_missing_permission(sandbox, signed_in):
    sandbox.faults.forbidden()
    answer = signed_in.get("/user")
    assert answer.status_code == 403
    assert "retry-after" not in answer.headers
    assert "rate limit" not in answer.json()["message"]


@pytest.mark.parametrize("kind", ["RATE_LIMITED", "RATE_LIMIT"])
def test_graphql_limits_come_with_200(sandbox, signed_in, kind):
    sandbox.faults.graphql_limited(kind)
    assert signed_in.get("/user").status_code == 200
    answer = signed_in.post("/graphql", json=VIEWER_QUERY)
    assert (answer.status_code, answer.json()["errors"][0]["type"]) == (200, kind)
    assert "data" in signed_in.post("/graphql", json=VIEWER_QUERY).json()


@pytest.mark.parametrize(
    ("reason", "status"), [(404, 404), (403, 403), (409, 409), (410, 410), (451, 451), ("tos", 403)]
)
def test_one_repository_can_be_refused(sandbox, signed_in, reason, status):
    repository = sandbox.world.owned(sandbox.world.accounts[0])[0]
    sandbox.faults.refuse(repository.full_name, reason)
    for path in (f"/repos/{repository.full_name}", f"/repositories/{repository.id}/languages"):
        assert signed_in.get(path).status_code == status
    assert signed_in.get(f"/users/{repository.owner.login}").status_code == 200
    sandbox.faults.refuse(repository.owner.login, reason)
    assert signed_in.get(f"/users/{repository.owner.login}/repos").status_code == status
    sandbox.faults.allow(repository.owner.login)
    sandbox.faults.allow(repository.full_name)
    assert signed_in.get(f"/repos/{repository.full_name}").status_code == 200


@pytest.mark.parametrize(
    ("reason", "kind"), [("partial", None), (403, "FORBIDDEN"), (404, "NOT_FOUND"), (451, "FORBIDDEN")]
)
def test_graphql_returns_null_for_one_and_keeps_the_rest(sandbox, signed_in, reason, kind):
    account = sandbox.world.accounts[0]
    refused = sandbox.world.owned(account)[3]
    sandbox.faults.refuse(refused.full_name, reason)
    query = (
        f'{{ organization(login: "{account.login}") {{ repositories(first: 10) {{ totalCount nodes {{ name }} }} }} '
        f'nodes(ids: ["{refused.node_id}", "{account.node_id}"]) {{ id }} }}'
    )
    answer = signed_in.post("/graphql", json={"query": query}).json()
    nodes = answer["data"]["organization"]["repositories"]["nodes"]
    assert [node is None for node in nodes] == [False] * 3 + [True] + [False] * 6
    assert answer["data"]["nodes"] == [None, {"id": account.node_id}]
    assert [(e.get("type"), e["path"]) for e in answer["errors"]] == [
        (kind, ["organization", "repositories", "nodes", 3]),
        (kind, ["nodes", 0]),
    ]


def test_a_refused_account_is_null_in_a_batch(sandbox, signed_in):
    first, second = sandbox.world.logins()[:2]
    sandbox.faults.refuse(first, "partial")
    query = f'{{ a: repositoryOwner(login: "{first}") {{ login }} b: repositoryOwner(login: "{second}") {{ login }} }}'
    answer = signed_in.post("/graphql", json={"query": query}).json()
    assert answer["data"] == {"a": None, "b": {"login": second}}
    assert answer["errors"][0]["path"] == ["a"]


def test_one_token_can_be_revoked(sandbox, signed_in):
    sandbox.faults.refuse_token("sandbox-token-1")
    assert signed_in.get("/user").status_code == 401
    headers = {"Authorization": "Bearer sandbox-token-1b"}
    assert signed_in.get("/user", headers=headers).status_code == 200


@pytest.mark.parametrize(("by", "shown", "distinct"), [(-1, 231, 230), (1, 229, 229), (0, 230, 230)])
def test_a_shifting_list_repeats_or_omits_items(sandbox, signed_in, by, shown, distinct):
    """Shift the list by one between the first page and the second."""
    login = sandbox.world.accounts[0].login
    sandbox.faults.shift(login, by)
    found: list[int] = []
    for page in (1, 2, 3):
        found += [item["id"] for item in signed_in.get(f"/orgs/{login}/repos?per_page=100&page={page}").json()]
    assert (len(found), len(set(found))) == (shown, distinct)


def test_a_shifted_list_affects_graphql_too(sandbox, signed_in):
    login = sandbox.world.accounts[0].login
    sandbox.faults.shift(login, -1)
    query = (
        "query($l: String!, $a: String) { organization(login: $l) { repositories(first: 100, after: $a) "
        "{ pageInfo { endCursor } nodes { id } } } }"
    )

    def ask(after: str | None) -> dict[str, object]:
        answer = signed_in.post("/graphql", json={"query": query, "variables": {"l": login, "a": after}}).json()
        return answer["data"]["organization"]["repositories"]

    first = ask(None)
    assert ask(first["pageInfo"]["endCursor"])["nodes"][0] == first["nodes"][-1]


def test_during_a_pause_every_client_gets_retry_after(sandbox, signed_in):
    clock = [100.0]
    sandbox.faults.monotonic = lambda: clock[0]
    pause = sandbox.faults.pause(10, after=1)
    first, refused = signed_in.get("/user"), signed_in.get("/user")
    assert (first.status_code, refused.status_code, refused.headers["retry-after"]) == (200, 403, "10")
    assert (pause.in_flight, pause.ignored) == (1, 0)
    clock[0] = 104.5
    ignored = signed_in.get("/user")
    assert (ignored.status_code, ignored.headers["retry-after"]) == (403, "6")
    assert (pause.in_flight, pause.ignored) == (1, 1)
    clock[0] = 110.0
    assert signed_in.get("/user").status_code == 200
    assert len(pause.arrivals) == 2


def test_requests_in_flight_when_a_pause_begins_do_not_violate_it():
    with serve(World(accounts=2, repositories=4), latency_ms=300) as sandbox:
        pause = sandbox.faults.pause(1)
        headers = {"Authorization": "Bearer sandbox-token-1", "User-Agent": "tests"}
        with httpx.Client(base_url=sandbox.url, headers=headers, timeout=60) as client, ThreadPoolExecutor(6) as pool:
            assert set(pool.map(lambda _: client.get("/user").status_code, range(6))) == {403}
    assert (pause.in_flight, pause.ignored) == (6, 0)


def test_a_pause_has_its_own_clock():
    pause = Pause(10)
    answer = pause.on_request(100.0)
    assert answer is not None
    assert answer.headers["retry-after"] == "10"
    assert pause.on_request(100.02) is not None  # under way
    pause.on_response_sent(answer, 100.08)
    assert pause.on_request(104.0) is not None  # did not listen
    assert pause.on_request(110.0) is None
    assert (pause.in_flight, pause.ignored) == (2, 1)


def test_the_log_has_each_request(sandbox, signed_in):
    signed_in.get("/users/no-such?x=1")
    signed_in.post("/graphql", json=VIEWER_QUERY)
    first, second = sandbox.log
    assert (first.method, first.path, first.query, first.status) == ("GET", "/users/no-such", {"x": "1"}, 404)
    assert (first.owner, first.points, second.method, second.path) == ("sandbox-owner-1", 1, "POST", "/graphql")
    assert first.arrived < second.arrived
    assert (sandbox.log.points(), sandbox.log.points("core")) == (1, 1)


def test_the_sandbox_is_controlled_over_http(sandbox, signed_in):
    login = sandbox.world.accounts[0].login
    before = sandbox.ground_truth(login)
    assert signed_in.get("/_sandbox/logins").json() == sandbox.world.logins()
    assert signed_in.get(f"/_sandbox/truth/{login}").json() == before
    assert signed_in.post("/_sandbox/advance", json={"days": 40}).json()["now"] == sandbox.world.now()
    assert signed_in.get(f"/_sandbox/truth/{login}").json() != before
    name = before["repositories"][0]["full_name"]
    assert signed_in.post("/_sandbox/edit", json={"kind": "archive", "full_name": name}).status_code == 200
    assert sandbox.world.repository(name).counts(sandbox.world.now()).archived
    signed_in.post("/_sandbox/faults", json={"kind": "errors", "statuses": [502], "times": 1})
    assert response_statuses(signed_in, 2) == [502, 200]
    assert len(signed_in.get("/_sandbox/log").json()) == 2
    signed_in.delete("/_sandbox/log")
    assert len(sandbox.log) == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "nonsense"}),
        ("faults", {"kind": "__init__"}),
        ("edit", {"kind": "archive", "full_name": "nobody/nothing"}),
        ("edit", {"kind": "archive"}),
    ],
)
def test_invalid_control_requests_are_refused(signed_in, path, body):
    assert signed_in.post(f"/_sandbox/{path}", json=body).status_code == 400
    assert signed_in.get("/_sandbox/truth/nobody-at-all").status_code == 404


def test_every_named_control_exists(sandbox):
    assert all(callable(getattr(sandbox.faults, name)) for name in FAULT_NAMES)
    assert all(callable(getattr(sandbox.world.edit, name)) for name in EDIT_NAMES)


def test_concurrent_edits_leave_responses_consistent(sandbox: Sandbox, signed_in: httpx.Client):
    login = sandbox.world.accounts[0].login
    stop = threading.Event()

    def edit() -> None:
        while not stop.is_set():
            repository = sandbox.world.owned(sandbox.world.accounts[0])[0]
            sandbox.world.edit.rename(repository.full_name, f"n{time.monotonic_ns()}")

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        for _ in range(10):
            assert signed_in.get(f"/orgs/{login}/repos?per_page=100").status_code == 200
    finally:
        stop.set()
        editor.join()
