"""Credentials: which token fetches which account, and secrecy of tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.github import BadCredentials
from ingest.github.http.credentials import CredentialPool, Token
from tests.ingest.github.conftest import TOKEN
from tests.ingest.github.fake_server import CannedResponse, fake_server, respond_in_sequence


def test_a_token_is_revealed_only_in_its_header():
    token = Token(TOKEN, 2)
    assert token.authorization() == f"Bearer {TOKEN}"
    for shown in (repr(token), str(token), token.name, token.fingerprint, str(BadCredentials(token.name)), f"{token}"):
        assert TOKEN not in shown
        assert TOKEN[4:12] not in shown
    assert "token 2" in token.name


def test_without_tokens_requests_are_anonymous():
    pool = CredentialPool.from_secrets([])
    assert pool.is_anonymous
    assert pool.choose("octocat").authorization() is None


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak", "umlautü", "tab\t"])
def test_a_malformed_token_is_refused_by_its_position(secret):
    with pytest.raises(BadCredentials, match="token 2") as refused:
        CredentialPool.from_secrets(["fine", secret])
    assert not secret or secret not in str(refused.value)


def test_a_token_given_twice_counts_once():
    assert len(CredentialPool.from_secrets(["a", "a", "b"]).credentials) == 2


@given(st.lists(st.text("abcdef", min_size=1, max_size=5), min_size=1, max_size=5, unique=True), st.text(max_size=10))
def test_an_account_is_always_fetched_with_the_same_token(secrets, login):
    chosen = CredentialPool.from_secrets(secrets).choose(login)
    assert chosen.fingerprint == CredentialPool.from_secrets(list(reversed(secrets))).choose(login).fingerprint
    assert CredentialPool.from_secrets(secrets).choose("x", pinned=chosen.fingerprint).fingerprint == chosen.fingerprint


def test_accounts_spread_over_owners_not_over_tokens():
    """Two of three tokens have one owner: that rate budget serves half of the accounts, not two thirds."""
    pool = CredentialPool.from_secrets(["a1", "a2", "b"])
    fingerprints = [credential.fingerprint for credential in pool.credentials]
    for fingerprint, owner in zip(fingerprints, ("a", "a", "b"), strict=True):
        pool.learn_owner(fingerprint, owner)
    owners = [pool.owner(pool.choose(f"account-{number}")) for number in range(400)]
    assert 150 < owners.count("a") < 250


def test_a_rejected_token_is_tried_again_after_a_day(client):
    """It is reported for a day: excluded for longer, it would be missed without a word."""
    clock = [0.0]
    pool = CredentialPool([Token("a")], monotonic=lambda: clock[0])
    reported = []
    account = CannedResponse(200, {"id": 5, "login": "octocat"})
    with fake_server(respond_in_sequence(CannedResponse(401), CannedResponse(401), account)) as server:
        github = client(server.url, pool=pool)
        pool.on_rejection = lambda credential, *_: reported.append(credential.fingerprint)
        for day in (0, 0.5, 1, 1.5):
            clock[0] = day * 86_400
            with pytest.raises(BadCredentials):
                github.account_by_id(5)
        assert len(server.received) == len(reported) == 2
        clock[0] = 2 * 86_400
        assert github.account_by_id(5).login == "octocat"


def test_a_rejected_token_is_excluded():
    pool = CredentialPool.from_secrets(["a", "b"])
    first = pool.choose("octocat")
    pool.reject(first)
    second = pool.choose("octocat", pinned=first.fingerprint)
    assert second.fingerprint != first.fingerprint
    pool.reject(second)
    assert pool.choose("octocat") is None


def test_removing_a_token_moves_only_its_own_accounts():
    before, after = CredentialPool.from_secrets(["a", "b", "c"]), CredentialPool.from_secrets(["a", "b"])
    lost = ({c.fingerprint for c in before.credentials} - {c.fingerprint for c in after.credentials}).pop()
    for number in range(50):
        was = before.choose(f"account-{number}").fingerprint
        assert was == lost or after.choose(f"account-{number}").fingerprint == was
