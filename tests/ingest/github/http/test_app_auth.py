"""GitHub App authentication: JWTs, renewal of installation tokens, and secrecy of key and tokens."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from structlog.testing import capture_logs

from core.budget import rejected_tokens, token_expiry
from core.settings import Settings
from ingest.github import AccountRequest, BadCredentials, GitHub
from ingest.github.http.app_auth import AppCredential, InstallationCredential
from ingest.github.http.credentials import Token
from ingest.sandbox import World, serve
from tests.ingest.github.account_results import account_results

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOKEN_OWNER = "sandbox-owner-1"


def private_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def sandbox(key):
    with serve(World(accounts=6, repositories=30, seed=5, frozen_at=NOW)) as running:
        running.app = running.apps.register("1234", public_pem(key), "77", TOKEN_OWNER)
        running.limits.limit_overrides[TOKEN_OWNER] = 12_500
        yield running


@pytest.fixture
def key_file(tmp_path, key):
    file = tmp_path / "app.pem"
    file.write_bytes(private_pem(key))
    return file


@pytest.fixture
def github(sandbox, key_file):
    """Create clients with the App and the given tokens; their clock is the sandbox's plus *ahead*."""
    clients = []

    def make(*tokens, redis=None, ahead=timedelta()):
        settings = Settings(
            github_api_url=sandbox.url,
            github_tokens=",".join(tokens),
            github_app_id="1234",
            github_app_private_key_file=key_file,
            github_app_installation_id="77",
        )
        client = GitHub.from_settings(
            settings, redis, clock=lambda: sandbox_now(sandbox) + ahead, sleep=lambda _seconds: None
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def sandbox_now(sandbox):
    return datetime.fromtimestamp(sandbox.world.now(), UTC)


def fetch_accounts(client, sandbox, count=6):
    requests = [AccountRequest(login) for login in sandbox.world.logins()[:count]]
    return list(account_results(client, requests, should_fetch_languages=lambda _account, _repository: True))


def token_requests(sandbox):
    return [entry for entry in sandbox.log if entry.path.endswith("/access_tokens")]


def test_the_app_fetches_accounts_with_its_own_larger_budget(github, sandbox):
    client = github()
    assert not client.is_anonymous
    assert all(result.snapshot for result in fetch_accounts(client, sandbox))
    assert len(token_requests(sandbox)) == 1
    assert {state.limit for state in client.rate_budgets() if state.resource == "graphql"} == {12_500}


def test_the_jwt_has_the_claims_github_requires(key):
    """Issued a minute ago, valid for at most ten minutes, signed with RS256."""
    signature = AppCredential("1234", private_pem(key), lambda: NOW).authorization().removeprefix("Bearer ")
    assert jwt.get_unverified_header(signature)["alg"] == "RS256"
    claims = jwt.decode(
        signature, public_pem(key), algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
    )
    assert claims["iss"] == "1234"
    assert claims["iat"] == NOW.timestamp() - 60
    assert NOW.timestamp() < claims["exp"] <= NOW.timestamp() + 600


def test_a_token_is_renewed_before_it_expires(github, sandbox):
    client = github()
    fetch_accounts(client, sandbox, 1)
    sandbox.world.advance(minutes=50)
    fetch_accounts(client, sandbox, 1)
    assert len(token_requests(sandbox)) == 1
    sandbox.world.advance(minutes=6)
    assert fetch_accounts(client, sandbox, 1)[0].snapshot
    assert len(token_requests(sandbox)) == 2
    assert 401 not in {entry.status for entry in sandbox.log}


def test_a_revoked_installation_token_is_renewed_once(github, sandbox):
    client = github()
    fetch_accounts(client, sandbox, 1)
    sandbox.apps.revoke(sandbox.app.issued_tokens[-1])
    assert all(result.snapshot for result in fetch_accounts(client, sandbox))
    assert len(token_requests(sandbox)) >= 2


def test_accounts_of_an_uninstalled_app_are_fetched_with_tokens(github, sandbox, redis):
    """The reason is published for pages until a process starts again."""
    client = github("sandbox-token-2", redis=redis)
    fetch_accounts(client, sandbox)
    sandbox.apps.uninstall("77")
    assert all(result.snapshot for result in fetch_accounts(client, sandbox))
    (reported,) = rejected_tokens.load_rejected_tokens(redis, sandbox.url)
    assert reported.name == "GitHub App 1234 (installation 77)"
    assert "no longer installed there" in reported.reason
    assert reported.at == sandbox_now(sandbox)
    github("sandbox-token-2", redis=redis)
    assert rejected_tokens.load_rejected_tokens(redis, sandbox.url) == []


def test_a_suspended_app_raises_bad_credentials(github, sandbox):
    sandbox.app.suspended = True
    (result,) = fetch_accounts(github(), sandbox, 1)
    assert isinstance(result.error, BadCredentials)
    assert "suspended" in str(result.error)


def test_a_wrong_private_key_raises_bad_credentials(sandbox, github, key_file):
    key_file.write_bytes(private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    (result,) = fetch_accounts(github(), sandbox, 1)
    assert "id or private key is wrong" in str(result.error)


def test_with_a_wrong_clock_jwts_use_githubs_time(github, sandbox):
    assert fetch_accounts(github(ahead=timedelta(minutes=45)), sandbox, 1)[0].snapshot
    assert fetch_accounts(github(ahead=timedelta(minutes=-45)), sandbox, 1)[0].snapshot


def test_a_revoked_token_is_published_for_pages(github, sandbox, redis):
    client = github("sandbox-token-2", redis=redis)
    sandbox.faults.refuse_token("sandbox-token-2")
    assert all(result.snapshot for result in fetch_accounts(client, sandbox))
    reported = rejected_tokens.load_rejected_tokens(redis, sandbox.url)
    assert [one.name.split(" (")[0] for one in reported] == ["token 1"]
    assert "sandbox-token-2" not in str(reported)


@pytest.mark.parametrize("content", [b"", b"no key", "an elliptic one"])
def test_a_malformed_key_is_refused_without_revealing_it(content, key):
    given = private_pem(ec.generate_private_key(ec.SECP256R1())) if isinstance(content, str) else content
    with pytest.raises(BadCredentials, match="RSA key") as refused:
        AppCredential("1234", given, lambda: NOW)
    assert not given or given.decode() not in str(refused.value)


def test_neither_key_nor_token_is_revealed(github, sandbox, key):
    with capture_logs() as logs:
        client = github()
        fetch_accounts(client, sandbox, 1)
    signer = AppCredential("1234", private_pem(key), lambda: NOW)
    installation = InstallationCredential(signer, "77", lambda: NOW)
    shown = f"{logs} {signer!r} {installation!r} {client._pool.credentials}"
    assert sandbox.app.issued_tokens
    assert not any(token in shown for token in sandbox.app.issued_tokens)
    assert "PRIVATE" not in shown
    assert "eyJ" not in shown


def test_app_settings_are_complete_or_absent(key_file):
    with pytest.raises(ValueError, match="GITHUB_APP_INSTALLATION_ID"):
        Settings(github_app_id="1234", github_app_private_key_file=key_file)
    assert Settings(github_app_id="", github_app_private_key_file="").github_app_private_key_file is None


def test_the_fingerprint_identifies_the_installation(key):
    one, other = (
        InstallationCredential(AppCredential("1234", private_pem(key), lambda: NOW), number, lambda: NOW)
        for number in ("77", "78")
    )
    assert (
        one.fingerprint
        == InstallationCredential(AppCredential("1234", private_pem(key), lambda: NOW), "77", lambda: NOW).fingerprint
    )
    assert one.fingerprint != other.fingerprint
    with pytest.raises(BadCredentials):
        one.authorization()


def test_the_hourly_tokens_of_an_app_are_not_reported_to_expire(github, sandbox, redis):
    """GitHub sends the header for them too: only the personal token's is kept."""

    class EveryToken(dict):
        def __contains__(self, _token):
            return True

        def __missing__(self, _token):
            return "2026-12-31 23:59:59 UTC"

    sandbox.faults.expirations = EveryToken()
    client = github("sandbox-token-1", redis=redis)
    fetch_accounts(client, sandbox)
    assert {entry.owner for entry in sandbox.log} > {TOKEN_OWNER}
    (kept,) = token_expiry.load_token_expiries(redis, sandbox.url)
    assert kept.fingerprint == Token("sandbox-token-1").fingerprint
