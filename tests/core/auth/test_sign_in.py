"""Sign-in: the right password is accepted, and refusals do not reveal the reason."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import Connection, Engine
from structlog.testing import capture_logs

from core.auth import people, sessions, sign_in, throttle, tickets
from core.auth.identity import Origin
from core.auth.sign_in import SignInRefused
from core.errors import BadInput, NotSignedIn, RateLimitExceeded
from tests.core.auth.conftest import ORIGIN, PASSWORD, AddPerson, audit_events, signed_in_identity

WRONG_CREDENTIALS = "Username or password is wrong"


def origin_number(number: int) -> Origin:
    return Origin(f"198.51.{number // 250}.{number % 250}")


def refusal_message(name: str, password: str, origin: Origin = ORIGIN) -> str:
    slept: list[float] = []
    with pytest.raises(SignInRefused) as why:
        sign_in.sign_in(name, password, origin, slept.append)
    return str(why.value)


@pytest.fixture
def bcrypt_runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the password checks that bcrypt runs."""
    runs: list[bytes] = []
    real = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda given, stored: runs.append(stored) or real(given, stored))
    return lambda: len(runs)


def test_sign_in_ignores_the_case_of_the_name(add: AddPerson, database: Connection) -> None:
    ada = add("Ada")
    assert sign_in.sign_in("aDA", PASSWORD, ORIGIN) == ada
    (event,) = audit_events(database, "sign_in")
    assert (event.actor, event.person_id, event.ip_address, event.request_id) == (
        "Ada",
        ada.id,
        "192.0.2.7",
        "request-1",
    )


def test_sign_in_takes_the_email_address_too(add: AddPerson, database: Connection) -> None:
    ada = people.create("Ada", actor="test", email="Ada@Example.org", password=PASSWORD)
    for spelling in ("ada@example.org", "ADA@EXAMPLE.ORG", "ada"):
        assert sign_in.sign_in(spelling, PASSWORD, ORIGIN) == ada
    assert refusal_message("eve@example.org", PASSWORD) == refusal_message("ada@example.org", "x") == WRONG_CREDENTIALS
    assert [event.actor for event in audit_events(database, "sign_in_refused")] == ["eve@example.org", "ada"]


@pytest.mark.parametrize("spellings", [("ada", "ADA", "aDa"), ("ada", "ada@example.org", "Ada@Example.ORG")])
def test_all_spellings_of_a_person_share_one_count(add: AddPerson, spellings: tuple[str, ...]) -> None:
    people.create("ada", actor="test", email="ada@example.org", password=PASSWORD)
    for number in range(5):
        refusal_message(spellings[number % len(spellings)], "wrong")
    for spelling in spellings:
        with pytest.raises(RateLimitExceeded):
            sign_in.sign_in(spelling, PASSWORD, ORIGIN)


@given(st.text(max_size=6), st.sampled_from(["ida", "\u0130da", "\u0131da", "kim", "\u212aim"]))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_text_that_finds_a_person_is_counted_as_that_person(add: AddPerson, more: str, name: str) -> None:
    """Turkish letters and the Kelvin sign fold to ASCII in some rules, and gave one person several counts."""
    person = people.find_by_username("ida") or add("ida")
    for given_name in (name, more, name.upper(), name.swapcase()):
        counted = sign_in._counted_name(given_name)
        assert (sign_in._find_password_row(counted) is not None) == (counted == person.username)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("nobody", PASSWORD),
        ("new", PASSWORD),  # no password set yet
        ("", ""),
        ("ad\0a", PASSWORD),
        ("\ud800", PASSWORD),
        ("x" * 10_000, PASSWORD),
        ("nobody", "x" * 10_000),
        ("nobody", "\0\ud800"),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("<script>", "<script>"),
        ("\u202eada", "🎉"),
    ],
)
def test_every_refusal_has_the_same_message_and_runs_bcrypt_once(
    add: AddPerson, name: str, password: str, bcrypt_runs: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    add("new", password=None)
    monkeypatch.setattr(bcrypt, "hashpw", lambda *given: pytest.fail("hashed once more"))
    assert refusal_message(name, password) == WRONG_CREDENTIALS
    assert bcrypt_runs() == 1


def test_a_wrong_password_and_a_deactivated_person_get_the_same_refusal(
    add: AddPerson, bcrypt_runs: Callable[[], int]
) -> None:
    ada, bob = add("ada"), add("bob")
    people.set_active("test", bob.id, False, ORIGIN)
    before = bcrypt_runs()
    assert refusal_message("ada", "wrong") == refusal_message("bob", PASSWORD) == WRONG_CREDENTIALS
    assert sign_in.sign_in("ada", PASSWORD, ORIGIN) == ada
    assert bcrypt_runs() - before == 3


def test_a_refusal_is_audited_with_the_attempted_name(add: AddPerson, database: Connection) -> None:
    ada = add()
    refusal_message("ada", "wrong")
    refusal_message("<b>\0" + "x" * 100, "wrong")
    known, unknown = audit_events(database, "sign_in_refused")
    assert (known.actor, known.person_id, known.ip_address) == ("ada", ada.id, "192.0.2.7")
    assert unknown.actor == "<b>\N{REPLACEMENT CHARACTER}" + "x" * 60
    assert unknown.person_id is None


def test_failures_block_one_name_at_one_address_only(add: AddPerson, bcrypt_runs: Callable[[], int]) -> None:
    ada = add()
    for _ in range(5):
        refusal_message("ada", "wrong")
    before = bcrypt_runs()
    with pytest.raises(RateLimitExceeded) as stopped:
        sign_in.sign_in("ADA", PASSWORD, ORIGIN)
    assert bcrypt_runs() == before
    assert stopped.value.amount == 5
    # The owner can sign in from another address, and another person from this one.
    assert sign_in.sign_in("ada", PASSWORD, origin_number(1), lambda _: None) == ada
    add("bob")
    assert sign_in.sign_in("bob", PASSWORD, ORIGIN).username == "bob"


def test_unknown_names_are_blocked_like_known_ones(add: AddPerson) -> None:
    for _ in range(5):
        refusal_message("nobody", "wrong")
    with pytest.raises(RateLimitExceeded):
        sign_in.sign_in("nobody", "wrong", ORIGIN)


def test_an_address_that_tries_many_names_is_blocked(add: AddPerson) -> None:
    for number in range(30):
        refusal_message(f"name{number}", "wrong")
    with pytest.raises(RateLimitExceeded):
        sign_in.sign_in("another", "wrong", ORIGIN)


def test_guesses_from_many_addresses_are_slowed_and_the_owner_can_still_sign_in(add: AddPerson) -> None:
    ada = add()
    for number in range(50):
        refusal_message("ada", "wrong", origin_number(number))
    slept: list[float] = []
    assert sign_in.sign_in("ada", PASSWORD, ORIGIN, slept.append) == ada
    assert slept == [throttle.MAX_DELAY_SECONDS]
    with pytest.raises(SignInRefused, match=WRONG_CREDENTIALS):
        sign_in.sign_in("ada", "wrong", origin_number(60), slept.append)
    assert sign_in.sign_in(add("bob").username, PASSWORD, ORIGIN, slept.append).username == "bob"
    assert slept[-1] == 0


def test_a_few_failures_cause_no_delay() -> None:
    assert [throttle.delay_seconds(failures) for failures in (0, 5, 6, 15, 25, 1_000)] == pytest.approx(
        [0, 0, 0.1, 1, 2, 2]
    )


def test_a_success_does_not_reset_the_failures_of_others(add: AddPerson) -> None:
    add("ada")
    for _ in range(5):
        refusal_message("ada", "wrong")
    sign_in.sign_in("ada", PASSWORD, origin_number(1), lambda _: None)
    with pytest.raises(RateLimitExceeded):
        sign_in.sign_in("ada", PASSWORD, ORIGIN)


def test_an_empty_limit_blocks_and_delays_nobody(add: AddPerson, setting: Callable[..., None]) -> None:
    setting(limit_sign_in="")
    add()
    slept: list[float] = []
    for _ in range(40):
        with pytest.raises(SignInRefused):
            sign_in.sign_in("ada", "wrong", ORIGIN, slept.append)
    assert set(slept) == {0}


def test_simultaneous_guesses_do_not_exceed_the_limit(committing_database: Engine, redis: Redis) -> None:
    people.create("ada", actor="test", password=PASSWORD)

    def guess(_: int) -> str:
        try:
            sign_in.sign_in("ada", "wrong", ORIGIN, lambda _: None)
        except NotSignedIn:
            return "refused"
        except RateLimitExceeded:
            return "stopped"
        return "in"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(guess, range(24)))
    assert outcomes.count("refused") == 5
    assert outcomes.count("in") == 0


def test_a_password_replaced_while_bcrypt_runs_is_refused(add: AddPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = add()

    def meanwhile(_seconds: float) -> None:
        token = tickets.issue_reset("test", ada.id, ORIGIN)
        tickets.redeem_reset(token, "Another one 2", origin=ORIGIN)

    with pytest.raises(SignInRefused):
        sign_in.sign_in("ada", PASSWORD, ORIGIN, meanwhile)


def test_no_password_or_name_is_logged(add: AddPerson) -> None:
    with capture_logs() as lines:
        add("ada")
        sign_in.sign_in("ada", PASSWORD, ORIGIN)
        refusal_message("ada", "Wrong password 1")
    assert [line["event"] for line in lines] == ["person created", "person signed in", "sign-in refused"]
    assert "assword" not in str([line.values() for line in lines])
    assert PASSWORD not in str(lines)


def test_changing_the_password_ends_other_sessions(add: AddPerson, database: Connection) -> None:
    ada = add()
    me, elsewhere = signed_in_identity(ada), signed_in_identity(ada)
    waiting = tickets.issue_sign_in(ada.id, "nonce")
    sign_in.change_password(me, PASSWORD, "A new one 2", ORIGIN, me.session_id)
    assert me.session_id is not None
    assert elsewhere.session_id is not None
    assert sessions.identity_of(me.session_id) is not None
    assert sessions.identity_of(elsewhere.session_id) is None
    with pytest.raises(tickets.InvalidTicket):
        tickets.redeem_sign_in(waiting, "nonce")
    refusal_message("ada", PASSWORD)
    assert sign_in.sign_in("ada", "A new one 2", ORIGIN) == people.get(ada.id)
    (event,) = audit_events(database, "password_changed")
    assert (event.actor, event.details) == ("ada", {"sessions": 1})


def test_the_old_password_is_no_new_one(add: AddPerson) -> None:
    me = signed_in_identity(add())
    with pytest.raises(BadInput, match="The new password is the old one"):
        sign_in.change_password(me, PASSWORD, PASSWORD, ORIGIN, me.session_id)


def test_guesses_at_the_password_change_are_limited(add: AddPerson) -> None:
    me = signed_in_identity(add())
    for _ in range(5):
        with pytest.raises(BadInput, match="The old password is wrong"):
            sign_in.change_password(me, "wrong", "A new one 2", ORIGIN, me.session_id)
    with pytest.raises(RateLimitExceeded):
        sign_in.change_password(me, PASSWORD, "A new one 2", ORIGIN, me.session_id)


def test_a_weak_new_password_changes_nothing(add: AddPerson) -> None:
    me = signed_in_identity(add())
    with pytest.raises(BadInput, match="capital"):
        sign_in.change_password(me, PASSWORD, "no capital 1", ORIGIN)
    assert sign_in.sign_in("ada", PASSWORD, ORIGIN).username == "ada"
