"""Every refusal has the common error format, no input causes a failure, and limits are visible in advance."""

import pytest
from sqlalchemy import create_engine

from core.db.override import use_engine
from core.settings import settings

V1 = "/api/v1"
ERROR_KEYS = {"error", "message", "request_id"}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/api/v1/", 404, "not_found"),
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/v2/languages", 404, "not_found"),
        ("GET", "/api/v1/languages/", 404, "not_found"),
        ("GET", "/api/v1/languages.xml", 404, "not_found"),
        ("GET", "/api/v1/accounts/nobody", 404, "not_found"),
        ("GET", "/api/v1/repositories/no/body", 404, "not_found"),
        ("GET", "/api/v1/repositories/no/body/stars.csv", 404, "not_found"),
        ("GET", "/api/v1/scene/moon", 404, "not_found"),
        ("GET", "/api/docs/../application.py", 404, "not_found"),
        ("GET", "/api/docs/__init__.py", 404, "not_found"),
        ("DELETE", "/api/v1/languages", 405, "method_not_allowed"),
        ("PUT", "/api/v1/tracked", 405, "method_not_allowed"),
        ("GET", "/api/v1/languages?as_of=yesterday", 422, "bad_input"),
        ("GET", "/api/v1/languages?asof=2026-01-01", 422, "bad_input"),
        ("GET", "/api/v1/languages?limit=0", 422, "bad_input"),
        ("GET", "/api/v1/languages?limit=1001", 422, "bad_input"),
        ("GET", "/api/v1/languages.csv?limit=5", 422, "bad_input"),
        ("GET", "/api/v1/languages?source=nobody", 404, "not_found"),
        ("GET", "/api/v1/movers?days=0", 422, "bad_input"),
        ("GET", "/api/v1/movers?language=%00", 422, "bad_input"),
        ("GET", "/api/v1/movers?language=Klingon", 422, "bad_input"),
        ("GET", "/api/v1/movers.csv?language=Klingon", 422, "bad_input"),
        ("GET", "/api/v1/changes?account=%00", 422, "bad_login"),
        ("GET", "/api/v1/changes?since=2999-01-01", 422, "bad_input"),
        ("GET", "/api/v1/repositories/%00/x", 422, "bad_input"),
    ],
)
def test_every_refusal_has_the_error_format(analyst, method, path, status, error):
    response = analyst.request(method, path)
    assert (response.status_code, response.json().get("error")) == (status, error), response.text
    assert set(response.json()) == ERROR_KEYS
    assert response.json()["message"].endswith((".", "!", "?"))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'{"login": "\\ud800"}', b'{"login":' * 2000])
def test_an_unreadable_body_is_refused(admin, body):
    for path in ("tracked", "ingestions", "auth/login", "auth/register", "auth/refresh"):
        response = admin.post(f"{V1}/{path}", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 422, (path, response.text)
        assert set(response.json()) == ERROR_KEYS


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "tracked", "GET, HEAD, POST"),
        ("DELETE", "ingestions", "GET, HEAD, POST"),
        ("GET", "tracked/octo", "PATCH, DELETE"),
        ("OPTIONS", "languages.csv", "GET, HEAD"),
        ("GET", "auth/login", "POST"),
        ("HEAD", "auth/login", "POST"),
    ],
)
def test_a_405_names_all_methods_of_the_path(admin, method, path, allowed):
    response = admin.request(method, f"{V1}/{path}")
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["tracked", "ingestions", "auth/login"])
def test_a_body_that_is_not_announced_as_json_is_a_415(admin, path):
    """As `curl -d` without a header sends it."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = admin.post(f"{V1}/{path}", content=b'{"logins": ["octo"]}', headers=headers)
    assert (response.status_code, response.json()["error"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in response.json()["message"]


def test_a_body_is_refused_in_words_about_the_body(admin):
    headers = {"content-type": "application/json"}
    cut = admin.post(f"{V1}/ingestions", content=b'{"logins": [', headers=headers).json()["message"]
    assert cut == "The body is not valid JSON in UTF-8."
    assert "Value error" not in admin.post(f"{V1}/ingestions", json={}).json()["message"]


UNUSUAL_VALUES = [
    "\x00",
    "x" * 10_000,
    "🦑",
    "שלום",
    "'; DROP TABLE account; --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
]


@pytest.mark.parametrize("given", UNUSUAL_VALUES)
def test_unusual_values_in_any_parameter_cause_no_failure(analyst, given):
    queries = [
        "as_of",
        "cursor",
        "limit",
        "source",
        "days",
        "language",
        "kind",
        "account",
        "since",
        "sort",
        "v",
        "part",
    ]
    paths = ["languages", "movers", "changes", "scene/city.csv", "scene/globe", "accounts/octo/repositories"]
    for path in paths:
        for name in queries:
            response = analyst.get(f"{V1}/{path}", params={name: given})
            assert response.status_code < 500, (path, name, response.text)


@pytest.mark.parametrize("given", UNUSUAL_VALUES)
def test_unusual_values_in_any_path_cause_no_failure(admin, given):
    from urllib.parse import quote

    word = quote(given, safe="")
    for path in (
        f"accounts/{word}",
        f"repositories/{word}/{word}",
        f"repositories/o/{word}/stars.csv",
        f"tracked/{word}",
    ):
        for method in ("GET", "DELETE", "PATCH"):
            assert admin.request(method, f"{V1}/{path}", json={}).status_code < 500, path


def test_anonymous_requests_are_refused(nobody):
    for path in ("languages", "people/me", "accounts/octo", "tracked", "github/stats/octo", "scene/city.csv"):
        response = nobody.get(f"{V1}/{path}")
        assert (response.status_code, response.json()["error"]) == (401, "not_signed_in")
    assert nobody.get("/api/openapi.json").status_code == 401
    assert nobody.get("/api/docs").status_code == 401


def test_responses_have_the_remaining_limit_and_the_refusal_a_retry_time(analyst, monkeypatch):
    monkeypatch.setenv("LIMIT_API", "3/day")
    settings.cache_clear()
    responses = [analyst.get(f"{V1}/people/me") for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert [response.headers["x-ratelimit-remaining"] for response in responses] == ["2", "1", "0", "0"]
    assert {response.headers["x-ratelimit-limit"] for response in responses} == {"3"}
    assert int(responses[-1].headers["retry-after"]) > 0
    assert int(responses[-1].headers["x-ratelimit-reset"]) > 1_700_000_000
    assert responses[-1].json()["error"] == "rate_limited"
    assert "retry-after" not in responses[2].headers
    assert analyst.get("/api/docs/docs.css").status_code == 200  # the documentation is not counted


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "accounts/nobody", 404),
        ("GET", "nothing", 404),
        ("GET", "languages?limit=0", 422),
        ("DELETE", "languages", 405),
        ("POST", "auth/login", 422),
        ("GET", "ingestions", 403),
    ],
)
def test_refusals_have_the_remaining_limit_too(analyst, method, path, status):
    response = analyst.request(method, f"{V1}/{path}")
    assert response.status_code == status
    assert (response.headers["x-ratelimit-limit"], response.headers["x-ratelimit-remaining"]) == ("60", "59")
    assert int(response.headers["x-ratelimit-reset"]) > 1_700_000_000


def test_a_refusal_by_another_limit_names_that_one(analyst, monkeypatch):
    monkeypatch.setenv("LIMIT_EXPORT", "1/day")
    settings.cache_clear()
    responses = [analyst.get(f"{V1}/languages.csv") for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 429]
    assert [response.headers["x-ratelimit-limit"] for response in responses] == ["60", "1"]


def test_downloads_have_a_limit_and_pages_and_the_scene_do_not(analyst, monkeypatch):
    monkeypatch.setenv("LIMIT_EXPORT", "2/day")
    settings.cache_clear()
    assert [analyst.get(f"{V1}/languages.csv").status_code for _ in range(3)] == [200, 200, 429]
    assert analyst.get(f"{V1}/languages").status_code == 200
    assert [analyst.get(f"{V1}/scene/{name}.csv").status_code for name in ("city", "globe")] == [200, 200]


def test_me_returns_the_identity_and_the_remaining_limits(analyst):
    me = analyst.get(f"{V1}/people/me").json()
    assert (me["username"], me["role"], me["signed_in_by"]) == ("ann", "analyst", "api_key")
    assert me["limits"]["export"]["amount"] == me["limits"]["export"]["remaining"] == 10
    assert set(me["limits"]) == {"pages", "api", "track", "export", "report"}
    assert "person_id" not in me


def test_an_unavailable_postgres_is_reported(analyst):
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing", connect_args={"connect_timeout": 1})
    with use_engine(away, everywhere=True):
        for path in ("languages", "accounts/octo", "github/stats/octo", "scene/city.csv", "changes.parquet"):
            response = analyst.get(f"{V1}/{path}")
            assert (response.status_code, response.json()["error"]) == (503, "server_unavailable")
            assert response.headers["retry-after"]
    assert analyst.get(f"{V1}/languages").status_code == 200
