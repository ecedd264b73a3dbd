"""When a token expires is read from GitHub's header, shared by all processes, and announced two weeks ahead."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.budget import token_expiry
from core.budget.token_expiry import WARNING_PERIOD, TokenExpiry
from ingest.github import AccountRequest, GitHub
from ingest.github.http.credentials import CredentialPool, Token
from ingest.github.http.responses import Response, token_expires_at
from ingest.planning.rate_budget import RateBudget
from ingest.sandbox import World, serve
from tests.ingest.github.account_results import account_results

NOW = datetime(2026, 12, 17, 23, 59, 59, tzinfo=UTC)
TOKENS = ("sandbox-token-1", "sandbox-token-2")
HEADER = "github-authentication-token-expiration"


@pytest.mark.parametrize(
    ("text", "expires_at"),
    [
        ("2026-12-31 23:59:59 UTC", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31 23:59:59 +0000", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2027-01-01 01:29:59 +0130", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31 15:59:59 -0800", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31 15:59:59 -08:00", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31T23:59:59Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31 23:59:59", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        ("2026-13-31 23:59:59 UTC", None),
        ("2026-12-31 23:59:59 Europe/Berlin", None),
        ("0001-01-01 00:00:00 +2300", None),
    ],
)
def test_githubs_header_is_read(text, expires_at):
    assert token_expires_at(Response(200, {HEADER: text}, b"", NOW)) == expires_at


def test_without_the_header_nothing_expires():
    assert token_expires_at(Response(200, {}, b"", NOW)) is None


@given(
    st.integers(0, 10**10).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.integers(-14 * 4, 14 * 4).map(lambda quarters: timedelta(minutes=15 * quarters)),
)
def test_any_offset_is_read_as_the_same_moment(at, offset):
    """The offset is what the written time is ahead of UTC."""
    minutes = abs(offset) // timedelta(minutes=1)
    sign = "-" if offset < timedelta() else "+"
    text = f"{at + offset:%Y-%m-%d %H:%M:%S} {sign}{minutes // 60:02}{minutes % 60:02}"
    assert token_expires_at(Response(200, {HEADER: text}, b"", NOW)) == at


def test_it_is_announced_fourteen_days_ahead_and_when_it_has_expired():
    token = TokenExpiry("ab12", "token 1 (fingerprint ab12)", NOW + timedelta(days=14))
    assert token.expires_within(WARNING_PERIOD, NOW)
    assert not token.expires_within(WARNING_PERIOD, NOW - timedelta(seconds=1))
    assert token.sentence(NOW) == "token 1 (fingerprint ab12) expires on 2026-12-31 23:59 UTC, in 14 days"
    assert not token.has_expired(token.expires_at - timedelta(seconds=1))
    assert token.has_expired(token.expires_at)
    assert token.sentence(token.expires_at) == "token 1 (fingerprint ab12) expired on 2026-12-31 23:59 UTC"


@pytest.fixture
def sandbox():
    with serve(World(accounts=4, repositories=10, seed=3)) as sandbox:
        yield sandbox


def ask_with_each_credential(github, sandbox):
    """Fetch an account with each of the client's credentials."""
    pinned = [credential.fingerprint for credential in github._pool.credentials]
    requests = [AccountRequest(sandbox.world.logins()[i], token=one) for i, one in enumerate(pinned)]
    results = list(account_results(github, requests, should_fetch_languages=lambda _account, _repository: False))
    assert [result.error for result in results] == [None] * len(pinned)


def load(redis, sandbox):
    return [(one.name[:7], one.expires_at) for one in token_expiry.load_token_expiries(redis, sandbox.url)]


def test_each_token_is_published_with_the_newest_time_soonest_first(sandbox, redis):
    sandbox.faults.expire(TOKENS[0], "2026-12-31 23:59:59 UTC")
    sandbox.faults.expire(TOKENS[1], "2026-12-01 00:00:00 +0200")
    with GitHub(api_url=sandbox.url, pool=CredentialPool.from_secrets(TOKENS), redis=redis) as github:
        ask_with_each_credential(github, sandbox)
        assert load(redis, sandbox) == [
            ("token 2", datetime(2026, 11, 30, 22, tzinfo=UTC)),
            ("token 1", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ]
        sandbox.faults.expire(TOKENS[1], "2027-12-01 00:00:00 UTC")
        ask_with_each_credential(github, sandbox)
        assert load(redis, sandbox)[1] == ("token 2", datetime(2027, 12, 1, tzinfo=UTC))
    for secret in TOKENS:
        assert all(secret.encode() not in text for text in redis.hvals(token_expiry.token_expiries_key(sandbox.url)))


def test_a_token_that_is_no_longer_configured_does_not_count(sandbox, redis):
    for token in TOKENS:
        sandbox.faults.expire(token, "2026-12-31 23:59:59 UTC")
    with GitHub(api_url=sandbox.url, pool=CredentialPool.from_secrets(TOKENS), redis=redis) as github:
        ask_with_each_credential(github, sandbox)
    RateBudget(CredentialPool.from_secrets(TOKENS[1:]), redis, sandbox.url).publish_credentials()
    fingerprints = [one.fingerprint for one in token_expiry.load_token_expiries(redis, sandbox.url)]
    assert fingerprints == [Token(TOKENS[1]).fingerprint]


def test_anonymous_requests_and_foreign_entries_have_no_expiry(sandbox, redis):
    sandbox.faults.expire("", "2026-12-31 23:59:59 UTC")
    with GitHub(api_url=sandbox.url, redis=redis) as github:
        ask_with_each_credential(github, sandbox)
    key = token_expiry.token_expiries_key(sandbox.url)
    for name, text in {"a": "nonsense", "b": "{}", "c": '{"name": "x", "expires_at": "2026-12-31"}', "d": "[]"}.items():
        redis.hset(key, name, text)
    assert load(redis, sandbox) == []
