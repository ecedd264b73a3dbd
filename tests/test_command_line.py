"""Every command reports every bad setting and input in one line on standard error, with a documented exit code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

import core.__main__
import ingest.__main__
from core import redis_client
from core.command_line import EXIT_FAILED, EXIT_UNUSABLE_INPUT
from core.db import engine
from core.settings import Settings, settings
from ingest.sandbox.server.asgi import open_listener

PROJECT = Path(__file__).resolve().parents[1]
SECRET = "hunter2"
# Commands that end by themselves; those that run until they are stopped load the same settings.
DATABASE_COMMANDS = [
    ("core", "migrate"),
    ("core", "backup", "{folder}/new"),
    ("core", "restore", "{folder}/backup"),
    ("core", "create-person", "ada"),
    ("core", "reset-password", "ada"),
    ("ingest", "track", "octocat"),
    ("ingest", "untrack", "octocat"),
    ("ingest", "refresh", "octocat"),
    ("ingest", "show", "octocat"),
    ("ingest", "forecast"),
    ("ingest", "runs"),
    ("ingest", "import-history", "{folder}/history.csv"),
    ("ingest", "star-history", "octocat/hello"),
    ("ingest", "scheduler"),
    ("ingest", "worker"),
]
ALL_COMMANDS = [*DATABASE_COMMANDS, ("core", "up"), ("core", "check")]
BAD_SETTINGS = [
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", f"postgresql://almanac:{SECRET}@127.0.0.1:port/almanac"),
    ("REDIS_URL", f"{SECRET}:6379"),
    ("REDIS_URL", f"rediss://:{SECRET}@127.0.0.1:1/0?nonsense=1"),
    ("REDIS_URL", f"redis://:{SECRET}@127.0.0.1:1/0?ssl_ca_certs=ca.pem"),
    ("REDIS_URL", f"rediss://:{SECRET}@127.0.0.1:1/0?ssl_cert_reqs=perhaps"),
    ("GITHUB_API_URL", "http://"),
    ("REFRESH_EVERY", "99999999999999d"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "backup").write_bytes(b"PGDMP and nothing else")
    (tmp_path / "history.csv").write_text("captured_on,full_name,stars,forks,open_issues\n2024-01-01,a/b,1,1,1\n")
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch, capfd):
    """Run a command in this process; returns exit code, standard output and standard error."""

    def command(module, *words, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", [module, *(word.format(folder=folder) for word in words)])
        for remembered in (settings, engine.engine, redis_client.redis):
            remembered.cache_clear()
        with pytest.raises(SystemExit) as ended:
            {"core": core.__main__, "ingest": ingest.__main__}[module].main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    yield command
    structlog.reset_defaults()
    for remembered in (settings, engine.engine, redis_client.redis):
        remembered.cache_clear()


def is_one_sentence(err):
    return len(err.strip().splitlines()) == 1 and "Traceback" not in err and SECRET not in err


@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS)
@pytest.mark.parametrize("command", ALL_COMMANDS, ids=" ".join)
def test_a_setting_that_cannot_be_used_is_named_by_every_command(run, command, name, value):
    code, _, err = run(*command, **{name: value})
    assert code == EXIT_UNUSABLE_INPUT
    assert err.startswith(f"{name} is invalid: ")
    assert is_one_sentence(err)


@pytest.mark.parametrize("command", DATABASE_COMMANDS, ids=" ".join)
def test_an_unreachable_database_is_named_with_the_reason(run, command, redis):
    code, _, err = run(*command, DATABASE_URL=f"postgresql://almanac:{SECRET}@127.0.0.1:1/almanac")
    assert code == EXIT_FAILED
    assert "DATABASE_URL" in err or "pg_dump" in err
    assert "Connection refused" in err
    assert is_one_sentence(err)


@pytest.mark.parametrize("command", [("core", "migrate"), ("ingest", "worker"), ("ingest", "scheduler")], ids=" ".join)
def test_an_unreachable_direct_url_is_named(run, command, environment):
    _, _, err = run(*command, **environment, DATABASE_DIRECT_URL=f"postgresql://almanac:{SECRET}@127.0.0.1:1/almanac")
    assert "DATABASE_DIRECT_URL" in err
    assert is_one_sentence(err)


@pytest.mark.parametrize(
    ("option", "expected"), [("nonsense=1", EXIT_UNUSABLE_INPUT), ("sslmode=sometimes", EXIT_FAILED)]
)
def test_an_option_that_libpq_does_not_know_is_named(run, option, expected, redis):
    code, _, err = run("ingest", "runs", DATABASE_URL=f"postgresql://127.0.0.1:1/almanac?{option}")
    assert code == expected
    assert option.partition("=")[0] in err
    assert is_one_sentence(err)


def test_a_database_that_does_not_exist_is_named(run, committing_database):
    url = committing_database.url.set(database="nowhere").render_as_string(hide_password=False)
    code, _, err = run("ingest", "runs", DATABASE_URL=url)
    assert code == EXIT_FAILED
    assert 'database "nowhere" does not exist' in err
    assert is_one_sentence(err)


def process(*words, environment, **options):
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=PROJECT,
        env=os.environ | environment,
        check=False,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.fixture
def environment(committing_database, redis):
    return {
        "DATABASE_URL": committing_database.url.render_as_string(hide_password=False),
        "REDIS_URL": os.environ["REDIS_URL"],
    }


def test_what_a_command_does_is_done_before_it_is_printed(environment, committing_database):
    """The reader of the output may have closed the pipe, as `head -1` does."""
    reading, writing = os.pipe()
    os.close(reading)
    done = process("ingest", "track", "octocat", "hubot", "pallets", environment=environment, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    with committing_database.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM tracked_account")) == 3


def test_a_full_output_device_is_reported(environment):
    with Path("/dev/full").open("wb") as full:
        done = process("ingest", "track", "octocat", environment=environment, stdout=full)
    assert done.returncode == EXIT_FAILED
    assert done.stderr == b"Standard output cannot be written: No space left on device\n"


def test_an_argument_that_is_not_utf_8_is_refused(environment):
    done = process("ingest", "track", b"octo\xff", environment=environment, stdout=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (EXIT_UNUSABLE_INPUT, b"Argument 2 is not valid UTF-8\n")


def test_a_port_in_use_is_named_by_the_sandbox():
    listener = open_listener("127.0.0.1", 0)
    port = str(listener.getsockname()[1])
    done = process("ingest", "sandbox", "--port", port, environment={}, stdout=subprocess.DEVNULL)
    assert done.returncode == EXIT_UNUSABLE_INPUT
    assert done.stderr == f"Port {port} of 127.0.0.1 cannot be used: Address already in use\n".encode()
    listener.close()


HEADER = "captured_on,full_name,stars,forks,open_issues\n"


def test_an_import_of_which_every_row_is_rejected_fails(run, folder, committing_database, redis):
    (folder / "history.csv").write_text(f"{HEADER}2024-01-01,not a name,1,1,1\n")
    code, out, err = run("ingest", "import-history", "{folder}/history.csv")
    assert (code, err) == (EXIT_FAILED, "")
    assert out.startswith("1 row read, 0 written, 1 rejected in ")


def test_a_row_of_nine_megabytes_is_refused_with_its_likely_cause(run, folder, committing_database, redis):
    (folder / "history.csv").write_text(f"{HEADER}2024-01-01,{'a' * 9_000_000}/b,1,1,1\n")
    code, _, err = run("ingest", "import-history", "{folder}/history.csv")
    assert code == EXIT_UNUSABLE_INPUT
    assert "has a row of more than" in err
    assert is_one_sentence(err)


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "sandbox", "--write-history", "{folder}/none/history.csv.gz"),
        ("ingest", "sandbox", "--busy", "--activity-log", "{folder}/none/log"),
        ("core", "backup", "{folder}/" + "x" * 300),
    ],
    ids=" ".join,
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(run, command, folder):
    code, _, err = run(*command)
    assert code in {EXIT_FAILED, EXIT_UNUSABLE_INPUT}
    assert command[-1].format(folder=folder) in err
    assert is_one_sentence(err)


@pytest.mark.parametrize("command", [("core", "check"), ("ingest", "runs")], ids=" ".join)
def test_an_env_file_that_cannot_be_read_is_named(run, command, folder, monkeypatch):
    (folder / ".env").write_bytes(b"PORT=\xff")
    monkeypatch.setitem(Settings.model_config, "env_file", folder / ".env")
    code, _, err = run(*command)
    assert (code, err) == (EXIT_UNUSABLE_INPUT, ".env is not valid UTF-8\n")


@pytest.mark.parametrize("program", [("-m", "core"), ("-m", "ingest"), ("app.py",)], ids=" ".join)
def test_an_interrupt_while_modules_load_ends_without_a_traceback(program, folder):
    (folder / "typing_extensions.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, *program],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(folder)},
        check=False,
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
