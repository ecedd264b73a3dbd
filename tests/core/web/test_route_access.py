"""Each path requires the intended access level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web.route_access import Access, route_access


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/static/js/index.js", Access.OPEN),
        ("/app/static/logo.svg", Access.OPEN),
        ("/component/x/index.html", Access.OPEN),
        ("/_stcore/health", Access.OPEN),
        ("/_stcore/host-config", Access.OPEN),
        ("/_stcore/bidi-components/x.js", Access.OPEN),
        ("/health", Access.OPEN),
        ("/auth/session", Access.OPEN),
        ("/", Access.PAGE),
        ("/account", Access.PAGE),
        ("/people", Access.PAGE),
        ("/favicon.png", Access.PAGE),
        ("/apis", Access.PAGE),
        ("/API/v1/people/me", Access.PAGE),
        ("/metrics", Access.METRICS),
        ("/_stcore/metrics", Access.METRICS),
        ("/api/v1/auth/login", Access.TOKENS),
        ("/api/v1/auth/login/", Access.SIGNED_IN),
        ("/api/v1/auth", Access.SIGNED_IN),
        ("/api", Access.SIGNED_IN),
        ("/api/", Access.SIGNED_IN),
        ("/api/docs", Access.SIGNED_IN),
        ("/api/v1/openapi.json", Access.SIGNED_IN),
        ("/api/v1/scene/city.csv", Access.SIGNED_IN),
        ("/media/abc.csv", Access.SIGNED_IN),
        ("/_stcore/upload_file/a/b", Access.SIGNED_IN),
        ("/_stcore/script-health-check", Access.SIGNED_IN),
        ("/_stcore/stream", Access.SIGNED_IN),
        ("/_stcore", Access.SIGNED_IN),
    ],
)
def test_each_path_has_its_access_level(path, expected):
    assert route_access("GET", path) is expected


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_page_can_only_be_read(method):
    assert route_access(method, "/account") is Access.SIGNED_IN
    assert route_access(method, "/nothing") is Access.SIGNED_IN


@given(st.sampled_from(["/api", "/media", "/_stcore/upload_file"]), st.text(max_size=30))
def test_a_suffix_does_not_open_a_protected_path(folder, rest):
    path = f"{folder}/{rest}"
    if not path.startswith("/api/v1/auth/"):
        assert route_access("GET", path) is (Access.SIGNED_IN if path.isprintable() else Access.NOT_FOUND)


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics", "/api", "/api/v1/auth/login", "/media/x", "/"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\0", "\x7f", "\u2028"])
def test_a_line_break_after_a_path_does_not_match_it(path, end):
    """A regular expression's `$` also matches before a line break at the end."""
    assert route_access("GET", path + end) is Access.NOT_FOUND
