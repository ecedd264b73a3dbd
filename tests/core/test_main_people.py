import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from redis import Redis
from sqlalchemy import Connection

from core.__main__ import main
from core.auth import audit, people, sign_in, tickets
from core.settings import settings

RunCommand = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database: Connection,
    redis: Redis,
    tmp_path: Path,
) -> Iterator[RunCommand]:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    def command(*words: str, typed: str = "", **environment: str) -> tuple[int, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["core", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        capsys.readouterr()  # what was logged before the command started
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out + output.err

    yield command
    structlog.reset_defaults()  # the command line logged to a stream that is closed


def test_a_person_is_created_with_a_link_for_setting_the_password(run: RunCommand) -> None:
    code, output = run("create-person", "ada", "--email", "ada@example.org", PUBLIC_URL="https://almanac.example.org")
    assert code == 0
    first, link, warning = output.splitlines()
    assert first == "Created analyst ada."
    address, _, token = link.partition("#")
    assert address == "https://almanac.example.org/reset"
    assert "can be used once and expires in an hour" in warning
    ada = tickets.redeem_reset(token, "My own one 1", origin=audit.UNKNOWN_ORIGIN)
    assert (ada.email, ada.role) == ("ada@example.org", "analyst")
    assert sign_in.sign_in("ada", "My own one 1", audit.UNKNOWN_ORIGIN).id == ada.id


def test_a_password_can_be_piped_in(run: RunCommand) -> None:
    code, output = run("create-person", "ada", "--role", "admin", "--password-stdin", typed=" My own one 1 \n")
    assert (code, output) == (0, "Created admin ada.\n")
    assert sign_in.sign_in("ada", " My own one 1 ", audit.UNKNOWN_ORIGIN).role == "admin"


def test_a_forgotten_password_is_reset_by_a_link(run: RunCommand) -> None:
    people.create("ada", actor="test")
    code, output = run("reset-password", "ADA", PORT="9000")
    assert code == 0
    assert output.startswith("http://127.0.0.1:9000/reset#")
    assert tickets.check_reset(output.split("#")[1].split()[0]).username == "ada"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("create-person", "a/b"), 2, "A username has 3 to 32 characters"),
        (("create-person", "ada", "--role", "root"), 2, "Unknown role 'root'"),
        (("create-person", "ada", "--email", "nonsense"), 2, "Not an e-mail address"),
        (("create-person", "ada", "--password-stdin"), 2, "A password has at least 8 characters"),
        (("create-person", "TAKEN"), 1, "The username TAKEN is taken"),
        (("reset-password", "nobody"), 1, "There is no person called 'nobody'"),
    ],
)
def test_invalid_arguments_are_one_sentence(run: RunCommand, words: tuple[str, ...], code: int, sentence: str) -> None:
    people.create("taken", actor="test")
    ended, output = run(*words)
    assert ended == code
    assert output.startswith(sentence)
    assert "Traceback" not in output
