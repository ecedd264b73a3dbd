"""Every path leads through the door that it should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web.route_access import Door, door


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/static/js/index.js", Door.OPEN),
        ("/app/static/logo.svg", Door.OPEN),
        ("/component/x/index.html", Door.OPEN),
        ("/_stcore/health", Door.OPEN),
        ("/_stcore/host-config", Door.OPEN),
        ("/_stcore/bidi-components/x.js", Door.OPEN),
        ("/health", Door.OPEN),
        ("/auth/session", Door.OPEN),
        ("/", Door.PAGE),
        ("/account", Door.PAGE),
        ("/people", Door.PAGE),
        ("/favicon.png", Door.PAGE),
        ("/apis", Door.PAGE),
        ("/API/v1/people/me", Door.PAGE),
        ("/metrics", Door.METRICS),
        ("/_stcore/metrics", Door.METRICS),
        ("/api/v1/auth/login", Door.TOKENS),
        ("/api/v1/auth/login/", Door.INSIDE),
        ("/api/v1/auth", Door.INSIDE),
        ("/api", Door.INSIDE),
        ("/api/", Door.INSIDE),
        ("/api/docs", Door.INSIDE),
        ("/api/v1/openapi.json", Door.INSIDE),
        ("/api/v1/scene/city.csv", Door.INSIDE),
        ("/media/abc.csv", Door.INSIDE),
        ("/_stcore/upload_file/a/b", Door.INSIDE),
        ("/_stcore/script-health-check", Door.INSIDE),
        ("/_stcore/stream", Door.INSIDE),
        ("/_stcore", Door.INSIDE),
    ],
)
def test_who_may_ask_for_what(path, expected):
    assert door("GET", path) is expected


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_page_can_only_be_read(method):
    assert door(method, "/account") is Door.INSIDE
    assert door(method, "/nothing") is Door.INSIDE


@given(st.sampled_from(["/api", "/media", "/_stcore/upload_file"]), st.text(max_size=30))
def test_nothing_written_behind_a_closed_door_opens_it(folder, rest):
    path = f"{folder}/{rest}"
    if not path.startswith("/api/v1/auth/"):
        assert door("GET", path) is (Door.INSIDE if path.isprintable() else Door.NOWHERE)


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics", "/api", "/api/v1/auth/login", "/media/x", "/"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\0", "\x7f", "\u2028"])
def test_what_routers_read_as_the_end_of_a_path_leads_nowhere(path, end):
    """A regular expression's `$` also matches before a line break at the end."""
    assert door("GET", path + end) is Door.NOWHERE
