"""For any request by anyone, the API does not fail and its responses match the OpenAPI description."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks
from sqlalchemy import create_engine
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.auth import api_keys, sessions
from core.auth.identity import Identity, Origin
from core.db.data_version import publish_data_version
from core.db.override import use_engine
from core.launcher.embedded import Servers
from core.queue import ingestions
from core.queue.jobs import JobOrigin
from core.settings import settings
from core.tracking import accounts
from core.web.middleware import authentication
from core.web.middleware.stack import middleware
from core.web.middleware.static_compression import StaticCompression
from pages.session.websocket_messages import read_message
from tests import seed_data
from tests.core.web.api.conftest import add_person, api_routes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fuzz")]
V1 = "/api/v1"
MAX_EXAMPLES = 4
TIMEOUT_SECONDS = 60
VALID_INPUT, INVALID_INPUT = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


def is_strict_json(_context, response, _case) -> None:
    """NaN and Infinity are Python's: a browser refuses the whole body."""
    if response.headers.get("content-type", [""])[0].startswith("application/json"):
        json.loads(response.content, parse_constant=pytest.fail)


CHECKS = [
    is_strict_json,
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def filled(clones: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Create a separate database with a few rows of each kind."""
    with clones() as url:
        engine = create_engine(url, connect_args={"options": "-c timezone=UTC"})
        with use_engine(engine, everywhere=True):
            with engine.begin() as connection:
                add_rows(connection)
            yield url
        engine.dispose()


@pytest.fixture
def app(filled: str, servers: Servers, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Starlette:
    """Return the API behind the real authentication middleware."""
    for name in ("PAGES", "API", "TRACK", "EXPORT", "SIGN_IN"):
        monkeypatch.setenv(f"LIMIT_{name}", "")
    monkeypatch.setenv("PUBLIC_URL", "http://testserver")  # the host that schemathesis uses
    given = {"DATABASE_URL": filled, "REDIS_URL": servers.redis_url, "SECRET_KEY": "k" * 40, "DATA_DIR": str(tmp_path)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    monkeypatch.setattr(authentication, "LOOKUP_TIMEOUT_SECONDS", 60)  # a slow machine is no outage
    frontend = Path(__file__).parents[1] / "frontend"
    layers = [layer for layer in middleware(settings(), frontend, read_message) if layer.cls is not StaticCompression]
    return Starlette(routes=api_routes(), middleware=layers)


def add_rows(connection) -> None:
    seed_data.add_account(connection, "octocat", github_id=1, location="Berlin, Germany", kind="user")
    for n in range(3):
        stars = {"2026-01-01": 10, "2026-03-01": (0, 100, 2**31 - 1)[n]}
        repository = seed_data.add_repository(
            connection, f"octocat/r{n}.csv", stars, github_id=n + 1, primary_language="C"
        )
        seed_data.add_change(connection, repository, "renamed", "2026-02-01", f"octocat/old{n}")
    accounts.track(connection, "octocat", "ada")
    asked = JobOrigin("person", "ada", "r1")
    ingestions.start(connection, [accounts.get_or_create_account_id(connection, "octocat")], asked, datetime.now(UTC))
    for username, role in (("ada", "admin"), ("ann", "analyst")):
        add_person(connection, username, role)
    publish_data_version(connection)


def create_api_key(username: str, role: str) -> str:
    """Create an API key of a signed-in person."""
    from core.auth import people

    found = people.find_by_username(username)
    session = sessions.start(found.id, Origin())
    return api_keys.create(Identity(found.id, username, role, session_id=session.session_id), "test", 1, Origin())[1]


@pytest.fixture
def keys(app) -> dict[str, str]:
    return {"admin": create_api_key("ada", "admin"), "analyst": create_api_key("ann", "analyst")}


@pytest.fixture
def described(app, keys):
    """Return the operations of our OpenAPI description."""
    bearer = {"authorization": f"Bearer {keys['analyst']}"}
    return schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=bearer, timeout=TIMEOUT_SECONDS)


def send_requests(alike, mode, headers):
    """Make requests up and send each to all operations of *alike*, with each of the *headers*."""
    parts = ("path_parameters", "headers", "cookies", "query", "body", "media_type")

    @given(case=alike[0].as_strategy(generation_mode=mode))
    @effort(
        max_examples=MAX_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case) -> None:
        for operation in alike:
            same = operation.Case(method=case.method, **{name: getattr(case, name) for name in parts})
            for sent in headers:
                same.call_and_validate(headers=sent, checks=CHECKS, timeout=TIMEOUT_SECONDS)

    send()


@pytest.mark.parametrize(("roles", "mode"), [(("admin", "analyst"), VALID_INPUT), (("admin",), INVALID_INPUT)])
@pytest.mark.timeout(900)
def test_every_response_matches_the_openapi_description(app, described, keys, roles, mode):
    """Making a request up takes longer than the response to it.

    So all *roles* send the same one, to all operations that take the same parameters.
    """
    broken = []
    for alike in operations_by_input(described):
        first = alike[0]
        if mode is INVALID_INPUT and not (first.query or first.path_parameters or first.body):
            continue

        try:
            send_requests(alike, mode, [{"authorization": f"Bearer {keys[role]}"} for role in roles])
        except FailureGroup as found:
            broken.append(f"{', '.join(operation.label for operation in alike)}\n{found}")
    assert not broken, "\n\n".join(broken)


def operations_by_input(described) -> list[list]:
    """Return the operations, those with equal method, parameters and body together."""
    alike = defaultdict(list)
    for operation in (found.ok() for found in described.get_all_operations()):
        given = [operation.definition.raw.get(part) for part in ("parameters", "requestBody")]
        alike[operation.method, json.dumps(given, sort_keys=True)].append(operation)
    return list(alike.values())


def operations(described) -> list[tuple[str, str]]:
    found = (one.ok() for one in described.get_all_operations())
    return [(one.method.upper(), one.full_path.replace("{login}", "octocat").replace("{id}", "1")) for one in found]


def is_for_admins(path: str) -> bool:
    return path.startswith((f"{V1}/ingestions", f"{V1}/tracked"))


def test_every_admin_route_refuses_an_analyst(app, described, keys):
    web = TestClient(app, base_url=settings().base_url, headers={"authorization": f"Bearer {keys['analyst']}"})
    asked = [(method, path) for method, path in operations(described) if is_for_admins(path)]
    assert len(asked) == 11
    for method, path in asked:
        assert web.request(method, path, json={}).status_code == 403, (method, path)


def test_every_route_except_sign_in_refuses_anonymous_requests(app, described):
    web = TestClient(app, base_url=settings().base_url)
    for method, path in operations(described):
        body = web.request(method, path, json={} if method in {"POST", "PATCH"} else None)
        expected = {422} if path.startswith(f"{V1}/auth/") and not path.endswith("logout") else {401}
        assert body.status_code in expected, (method, path, body.text)
        assert set(body.json()) == {"error", "message", "request_id"}
