"""Reading responses: recorded refusals and constructed ones."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.github.errors import Blocked, InvalidResponse, PermissionDenied, RepositoryNotFound, ServerError
from ingest.github.http.responses import (
    Response,
    is_rate_limit_error,
    page_number,
    parse_link_header,
    rate_limit_status,
    read_json,
    required_wait,
    response_error,
    with_page_number,
)
from ingest.github.http.urls import graphql_url, resolve_api_url
from tests.ingest.github.fake_server import recorded_exchange, response_of_exchange

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
EXTREME_VALUES = ("9" * 400, "Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 01 Jan 0001 00:00:00 +2300")
HEADER_VALUES = st.one_of(
    st.none(), st.integers(-10, 10**6).map(str), st.text(max_size=20), st.sampled_from(EXTREME_VALUES)
)
NAMES = ("message", "documentation_url", "block", "reason", "errors", "type", "extensions", "code", "path")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from(NAMES), parts, max_size=4),
    max_leaves=10,
)


def github_response(status=200, body=None, **headers):
    names = {name.replace("_", "-"): str(value) for name, value in headers.items() if value is not None}
    return Response(status, {"date": format_datetime(NOW, usegmt=True)} | names, json.dumps(body).encode(), NOW)


def recorded_response(recorded, name):
    canned = response_of_exchange(recorded_exchange(recorded, name))
    return Response(canned.status, canned.headers, canned.payload(), NOW)


def test_retry_after_takes_precedence():
    """Even where the headers report an exhausted rate limit, too."""
    reported = required_wait(
        github_response(
            403, SECONDARY, retry_after=7, x_ratelimit_limit=60, x_ratelimit_remaining=0, x_ratelimit_reset=1
        )
    )
    assert (reported.scope, reported.seconds) == ("host", 7)


def test_an_exhausted_bucket_waits_by_githubs_clock():
    """Our clock may be hours off: only the seconds between Date and reset count."""
    reset = int((NOW + timedelta(seconds=90)).timestamp())
    spent = github_response(
        403, {"message": "x"}, x_ratelimit_limit=60, x_ratelimit_remaining=0, x_ratelimit_reset=reset
    )
    spent = Response(403, spent.headers, spent.body, received_at=NOW + timedelta(hours=5))
    reported = required_wait(spent)
    assert reported.scope == "bucket"
    assert 90 <= reported.seconds <= 92


@pytest.mark.parametrize("status", [403, 429])
def test_a_limit_without_a_duration_is_unspecified(status):
    assert required_wait(github_response(status, SECONDARY)).scope == "unspecified"


def test_429_is_a_limit_whatever_its_body():
    assert required_wait(github_response(429, None)).scope == "unspecified"


@pytest.mark.parametrize(
    ("page", "is_limit"),
    [
        (b"<html><title>Rate limit &middot; GitHub</title><p>You have exceeded a secondary rate limit.", True),
        (b"<html><title>Forbidden</title><p>Your network's firewall blocks this site.", False),
        (b"\xff\xfe", False),
    ],
)
def test_a_limit_may_be_a_page(page, is_limit):
    """No request may follow, whichever of GitHub's servers demands the wait."""
    assert (required_wait(Response(403, {}, page, NOW)) is not None) is is_limit


def test_a_lock_after_failed_logins_is_a_limit():
    """GitHub rejects valid tokens, too, for a while: taken for a lack of permission, it would last a day."""
    locked = github_response(403, {"message": "Maximum number of login attempts exceeded. Please try again later."})
    assert required_wait(locked).scope == "unspecified"


def test_a_403_without_signs_of_a_limit_is_permission_denied():
    denied = github_response(
        403,
        {"message": "Must have push access"},
        x_ratelimit_limit=60,
        x_ratelimit_remaining=53,
        x_ratelimit_reset=9,
    )
    assert required_wait(denied) is None
    assert isinstance(response_error(denied, "it"), PermissionDenied)


def test_retry_after_may_be_a_date():
    at = format_datetime(NOW + timedelta(seconds=30), usegmt=True)
    assert 30 <= required_wait(github_response(429, SECONDARY, retry_after=at)).seconds <= 32


@pytest.mark.parametrize("value", ["30.5", "30, 30", "soon", "-1"])
def test_a_retry_after_that_cannot_be_read_is_a_limit_all_the_same(value):
    """Taken for a lack of permission, it would keep the token from the account for a day."""
    assert required_wait(github_response(403, {"message": "Forbidden"}, retry_after=value)).scope == "unspecified"
    assert required_wait(github_response(200, [], retry_after=value)) is None


def test_a_503_may_demand_a_wait():
    assert required_wait(github_response(503, None, retry_after=5)).seconds == 5
    assert required_wait(github_response(503, None)) is None


@pytest.mark.parametrize("kind", ["RATE_LIMITED", "RATE_LIMIT"])
def test_graphql_limits_have_status_200(kind):
    limited = github_response(200, {"errors": [{"type": kind, "message": "API rate limit exceeded for user ID 1."}]})
    assert required_wait(limited).scope == "unspecified"
    reset = int((NOW + timedelta(seconds=9)).timestamp())
    counted = github_response(
        200,
        {"errors": [{"type": kind}]},
        x_ratelimit_limit=5000,
        x_ratelimit_remaining=0,
        x_ratelimit_reset=reset,
        x_ratelimit_resource="graphql",
    )
    assert required_wait(counted).scope == "bucket"


def test_the_last_successful_response_of_a_window_demands_no_wait():
    """The gate holds the next request."""
    assert (
        required_wait(github_response(200, [], x_ratelimit_limit=60, x_ratelimit_remaining=0, x_ratelimit_reset=9))
        is None
    )


def test_other_graphql_errors_are_not_limits():
    assert not is_rate_limit_error(
        {"type": "NOT_FOUND", "message": "Could not resolve to a User with the login of 'rate limit'."}
    )
    assert not is_rate_limit_error({"message": "Something went wrong"})
    assert is_rate_limit_error({"message": "You have exceeded a secondary rate limit."})
    assert not is_rate_limit_error("nonsense")
    assert not is_rate_limit_error({"message": "Something went wrong", "extensions": ["nonsense"]})


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("rate_limited-01-403", "unspecified"),
        ("rate_limited-02-403", None),
        ("secondary_rate_limit-01-403", "unspecified"),
        ("secondary_rate_limit-02-403", "unspecified"),
        ("secondary_rate_limit-03-403", "unspecified"),
        ("secondary_rate_limit-04-403", "unspecified"),
        ("secondary_rate_limit-05-429", "host"),
        ("secondary_rate_limit-06-429", "unspecified"),
        ("secondary_rate_limit-07-403", "host"),
        ("graphql-06-200", "unspecified"),
        *[(f"forbidden-0{number}-403", "none") for number in range(1, 8)],
        ("blocked-01-403", "none"),
    ],
)
def test_recorded_refusals_are_classified(recorded, name, scope):
    reported = required_wait(recorded_response(recorded, name))
    assert (reported.scope if reported else "none") == (scope or reported.scope)


def test_recorded_waits_last_as_long_as_github_demands(recorded):
    assert required_wait(recorded_response(recorded, "secondary_rate_limit-05-429")).seconds == 8
    assert required_wait(recorded_response(recorded, "secondary_rate_limit-07-403")).seconds == 60


@given(
    st.sampled_from([200, 403, 404, 429, 500, 503]),
    HEADER_VALUES,
    HEADER_VALUES,
    HEADER_VALUES,
    HEADER_VALUES,
    HEADER_VALUES,
)
def test_malformed_headers_are_tolerated(status, retry_after, limit, remaining, reset, date):
    garbled = github_response(
        status,
        SECONDARY,
        retry_after=retry_after,
        x_ratelimit_limit=limit,
        x_ratelimit_remaining=remaining,
        x_ratelimit_reset=reset,
        date=date,
    )
    reported = required_wait(garbled)
    limits = rate_limit_status(garbled)
    assert reported is None or reported.seconds >= 0
    assert limits is None or (limits.remaining >= 0 and limits.resets_in_seconds >= 0)


def test_a_takedown_has_reason_and_url(recorded):
    error = response_error(recorded_response(recorded, "unavailable_legal-02-451"), "repository 5")
    assert isinstance(error, Blocked)
    assert error.reason == "dmca"
    assert error.url.startswith("https://github.com/github/dmca/")
    assert "repository 5" in str(error)


def test_a_block_for_breach_of_terms_has_status_403(recorded):
    error = response_error(recorded_response(recorded, "blocked-01-403"), "it")
    assert isinstance(error, Blocked)
    assert error.reason == "tos"


@pytest.mark.parametrize("number", range(1, 12))
def test_a_recorded_404_is_repository_not_found(recorded, number):
    assert isinstance(
        response_error(recorded_response(recorded, f"not_found-{number:02}-404"), "it"), RepositoryNotFound
    )


def test_errors_by_status():
    assert isinstance(response_error(github_response(410), "it"), RepositoryNotFound)
    assert isinstance(response_error(github_response(502), "it"), ServerError)
    assert response_error(github_response(409, {"message": "Git Repository is empty."}), "it").status == 409
    assert response_error(github_response(200), "it") is None


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id": 1, "log', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_not_json_raises_invalid_response(body):
    with pytest.raises(InvalidResponse):
        read_json(Response(200, {}, body, NOW), "account octocat")


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_raise_invalid_response(body):
    broken = Response(403, {}, body, NOW)
    required_wait(broken)
    assert response_error(broken, "it") is not None
    with contextlib.suppress(InvalidResponse):
        read_json(Response(200, {}, body, NOW), "it")


@given(st.sampled_from([403, 429, 451, 503]), JSON_VALUES)
def test_any_json_is_a_refusal_where_the_status_is_one(status, body):
    """Whatever its parts are: an error of another kind would end the work on all accounts of a batch."""
    refused = github_response(status, body)
    required_wait(refused)
    assert response_error(refused, "it") is not None


@given(JSON_VALUES)
def test_any_json_is_a_limit_of_graphql_or_not(errors):
    required_wait(github_response(200, {"errors": errors}))


def test_recorded_link_headers_are_parsed(recorded):
    links = parse_link_header(recorded_exchange(recorded, "org_repos-01-200")["response"]["headers"])
    assert links == {
        "next": "https://api.github.com/organizations/337792/repos?page=2",
        "last": "https://api.github.com/organizations/337792/repos?page=12",
    }


def test_other_spellings_of_link_headers_are_parsed():
    assert parse_link_header({"link": "<http://x/?page=2>;rel=next,<http://x/?a=1,2>; title=\"t\"; rel='last'"})["next"]
    assert parse_link_header({"link": '<http://x/?p=1>; rel="next last"'}) == {
        "next": "http://x/?p=1",
        "last": "http://x/?p=1",
    }
    assert parse_link_header({"link": "nonsense"}) == {}
    assert parse_link_header({}) == {}


@given(st.text(max_size=100))
def test_any_link_header_is_parsed(text):
    assert isinstance(parse_link_header({"link": text}), dict)


def test_page_numbers_are_read_and_replaced():
    assert page_number("https://x/?per_page=100&page=23") == 23
    assert page_number("https://x/?after=abc") is None
    assert with_page_number("https://x/repos?per_page=100&page=2", 7) == "https://x/repos?per_page=100&page=7"


@pytest.mark.parametrize(
    ("link", "resolved"),
    [
        ("https://api.github.com/repositories/5", "http://127.0.0.1:9/repositories/5"),
        ("https://api.github.com:443/repos/a/b?page=2", "http://127.0.0.1:9/repos/a/b?page=2"),
        ("http://127.0.0.1:9/user/1", "http://127.0.0.1:9/user/1"),
        ("/user/1", "http://127.0.0.1:9/user/1"),
        ("https://github.com/repos/PyGithub/PyGithub", None),
        ("http://127.0.0.1:10/user/1", None),
        ("https://api.github.com.evil.example/user/1", None),
        ("https://api.github.com@evil.example/user/1", None),
        ("http://127.0.0.1:9@evil.example/", None),
        ("//evil.example/user/1", None),
        ("ftp://127.0.0.1:9/x", None),
        ("http://127.0.0.1:port/", None),
        ("http://[", None),
    ],
)
def test_urls_of_other_hosts_are_refused(link, resolved):
    assert resolve_api_url("http://127.0.0.1:9", link, "http://127.0.0.1:9/user") == resolved


def test_graphql_url_of_github_and_enterprise_server():
    assert graphql_url("https://api.github.com") == "https://api.github.com/graphql"
    assert graphql_url("https://ghe.example/api/v3") == "https://ghe.example/api/graphql"
