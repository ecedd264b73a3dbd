"""The command line reports results as text, as JSON and by its exit code."""

import json
import os
import signal
import subprocess
import sys

import pytest
import structlog

from core import redis_client
from core.db import engine
from core.queue.enrichment import FACT_KINDS
from core.settings import settings
from ingest.__main__ import main
from tests.waiting import wait_until


@pytest.fixture
def environment(sandbox, committing_database, redis):
    return {
        "DATABASE_URL": committing_database.url.render_as_string(hide_password=False),
        "GITHUB_API_URL": sandbox.url,
        "GITHUB_TOKENS": "sandbox-token-1",
        "LOG_LEVEL": "ERROR",
    }


@pytest.fixture
def almanac(environment, monkeypatch, capsys):
    """Run `python -m ingest …` against the sandbox GitHub in this process; returns exit code, output and errors."""

    def run(*arguments, **variables):
        for name, value in (environment | variables).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["ingest", *arguments])
        for remembered in (settings, engine.engine, redis_client.redis):
            remembered.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    yield run
    structlog.reset_defaults()
    engine.engine.cache_clear()


def test_refresh_stores_the_account_and_exits_with_0(almanac, sandbox):
    sandbox.world.freeze()
    login = sandbox.world.logins()[0]
    code, out, _ = almanac("refresh", login)
    assert code == 0
    assert login in out
    assert "1 of 1 account stored" in out
    code, out, _ = almanac("show", login, "--json")
    stored, truth = json.loads(out), sandbox.ground_truth(login)
    assert stored["account"]["login"] == login
    assert {one["name"]: one["stars"] for one in stored["repositories"]} == {
        one["name"]: one["stars"] for one in truth["repositories"]
    }


@pytest.mark.parametrize("command", ["refresh", "show", "track", "untrack"])
def test_a_command_that_needs_an_account_says_so_instead_of_doing_nothing(almanac, command):
    code, out, err = almanac(command)
    assert (code, out) == (2, "")
    assert err.startswith(f"Name an account to {command}")


def test_an_unknown_account_is_named_and_exits_with_1(almanac, sandbox):
    known = sandbox.world.logins()[0]
    code, out, _ = almanac("refresh", known, "no-such-account", "--json")
    output = json.loads(out)
    assert code == 1
    assert (output["stored"], output["failed"]) == (1, 1)
    assert {one["login"]: one["error_code"] for one in output["accounts"]} == {
        known: None,
        "no-such-account": "account_not_found",
    }


@pytest.mark.parametrize(("token", "reason"), [("sandbox-token-1", "denies access"), ("", "it needs a token")])
def test_refused_extras_are_reported_and_exit_with_1(almanac, sandbox, token, reason):
    """The rest of the account is stored."""
    sandbox.world.freeze()
    sandbox.limits.anonymous = 5000
    login = next(name for name in sandbox.world.logins() if sandbox.world.account(name).kind == "User")
    assert almanac("refresh", login, "--extras")[0] == 0
    # The accounts are asked for by the first query, their extras by the second.
    sandbox.faults.forbidden(path="/graphql", after=1, times=None)
    code, out, _ = almanac("refresh", login, "--extras", GITHUB_TOKENS=token)
    assert code == 1
    out = " ".join(out.split())  # the table wraps
    assert "Watchers, open issues, open pull requests and topics were not fetched" in out
    assert reason in out
    sandbox.faults.clear()
    sandbox.faults.forbidden(path="/graphql", after=1, times=None)
    code, out, _ = almanac("refresh", login, "--extras", "--json", GITHUB_TOKENS=token)
    ((account, output),) = [(one, output) for output in [json.loads(out)] for one in output["accounts"]]
    assert (code, output["failed"], account["error_code"]) == (1, 1, "without_extras")
    assert reason in account["error"]
    assert account["repositories"] == len(sandbox.ground_truth(login)["repositories"])
    assert almanac("refresh", login, GITHUB_TOKENS=token)[0] == 0


def test_an_invalid_token_is_reported_without_the_token(almanac, sandbox):
    code, out, err = almanac("refresh", sandbox.world.logins()[0], GITHUB_TOKENS="ghp_notarealtoken123456")
    assert code == 1
    assert "expired or revoked" in out
    assert "notarealtoken" not in out + err


def test_a_missing_network_is_one_error_sentence(almanac):
    code, out, _ = almanac("refresh", "octocat", GITHUB_API_URL="http://127.0.0.1:9", GITHUB_TOKENS="")
    assert code == 1
    assert "cannot be reached" in out


def test_a_dry_run_requests_and_stores_nothing(almanac, sandbox, committing_database):
    sandbox.log.clear()
    code, out, _ = almanac("refresh", *sandbox.world.logins(), "--dry-run")
    assert (code, len(sandbox.log)) == (0, 0)
    # 16 new accounts are one query, the languages of 30 repositories of each are 3.2 more.
    assert "about 5 points in 5 requests" in out
    assert almanac("runs", "--json")[1] == ""


def test_the_forecast_covers_the_cost_of_the_refresh(almanac, sandbox):
    logins = sandbox.world.logins()
    almanac("refresh", *logins)
    output = json.loads(almanac("forecast", *logins, "--json")[1])
    sandbox.log.clear()
    run = json.loads(almanac("refresh", *logins, "--json")[1])
    assert run["points"] <= output["points"]
    assert run["requests"] <= output["requests"]


def test_the_forecast_says_what_each_kind_of_fact_costs(almanac, sandbox):
    """REST leaves enrichment 60 % of 5,000 an hour; all that is due takes cost / 3,000 hours."""
    almanac("track", *sandbox.world.logins()[:3])
    almanac("refresh", "--all")
    facts = {one["kind"]: one for one in json.loads(almanac("forecast", "--json")[1])["enrichment"]}
    assert set(facts) == set(FACT_KINDS)
    assert facts["releases"]["subjects"] == facts["releases"]["waiting"] > 0
    assert (facts["releases"]["unit"], facts["extras"]["unit"]) == ("requests", "points")
    cost = sum(one["waiting"] * one["per_subject"] for one in facts.values() if one["unit"] == "requests")
    assert max(one["hours_until_read"] for one in facts.values()) == pytest.approx(cost / 3000, abs=0.01)
    shown = almanac("forecast")[1]
    assert "commit activity" in shown
    assert "All read in" in shown
    assert "enrichment" not in json.loads(almanac("forecast", sandbox.world.logins()[0], "--json")[1])


def test_tracking_is_idempotent_and_reversible(almanac):
    assert almanac("track", "octocat", "https://github.com/hubot")[0] == 0
    assert "already tracked" in almanac("track", "OctoCat")[1]
    assert almanac("track", "not a login")[0] == 2
    assert almanac("untrack", "octocat")[0] == 0
    assert almanac("untrack", "octocat")[0] == 1


def test_names_that_github_does_not_know_or_has_changed_are_reported(almanac, sandbox):
    former, login = sandbox.world.logins()[:2]
    sandbox.world.edit.rename(former, "its-present-name")
    code, out, err = almanac("track", former, login, "no-such-account")
    assert (code, out.count("now tracked")) == (0, 3)
    assert err.splitlines() == [
        f"{former}: is now called its-present-name; the first refresh stores it under that name",
        "no-such-account: there is no such account at GitHub; the first refresh removes it",
    ]
    asked = len(sandbox.log)
    assert almanac("track", former, login, "no-such-account")[2] == ""
    assert len(sandbox.log) == asked


@pytest.mark.parametrize("variables", [{"GITHUB_API_URL": "http://127.0.0.1:9"}, {"GITHUB_TOKENS": "revoked"}])
def test_tracking_does_not_depend_on_github(almanac, variables):
    code, out, err = almanac("track", "octocat", **variables)
    assert (code, out, err) == (0, "octocat: now tracked\n", "")


@pytest.mark.parametrize("name", ["Link-", "a--b", "-x-", "@-x-"])
def test_logins_of_old_accounts_are_taken_by_every_command(almanac, name):
    login = name.removeprefix("@")
    assert almanac("track", name)[:2] == (0, f"{login}: now tracked\n")
    assert almanac("forecast", name)[0] == 0
    assert f"No data is stored for {login}" in almanac("show", name)[2]
    assert almanac("untrack", name)[:2] == (0, f"{login}: no longer tracked\n")


def test_the_owner_of_a_repository_is_taken_and_reported(almanac):
    code, out, err = almanac("track", "git@github.com:pallets/flask.git")
    assert (code, out) == (0, "pallets: now tracked\n")
    assert "pallets/flask is a repository; taking its owner pallets" in err


def test_a_mistyped_option_is_no_login(almanac):
    code, _, err = almanac("refresh", "octocat", "--jsno")
    assert code == 2
    assert "there is no option --jsno" in err


def test_the_star_history_takes_a_url(almanac):
    code, _, err = almanac("star-history", "https://github.com/octo/cat")
    assert code == 2
    assert "No data is stored for octo/cat" in err


def test_only_the_first_start_tracks_the_configured_accounts(almanac):
    assert "octocat" in almanac("track", "--first-start", TRACK="octocat", GITHUB_API_URL="http://127.0.0.1:9")[1]
    assert almanac("track", "--first-start", TRACK="hubot")[1] == ""


def test_showing_an_unknown_account_is_reported(almanac):
    code, _, err = almanac("show", "octocat", "--json")
    assert code == 1
    assert "No data is stored for octocat" in err


def test_an_unavailable_database_is_one_error_sentence(almanac):
    code, _, err = almanac("runs", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert code == 1
    assert "Postgres is unavailable" in err


def test_a_setting_that_cannot_be_used_is_named(almanac):
    code, _, err = almanac("runs", REFRESH_EVERY="soon")
    assert code == 2
    assert "REFRESH_EVERY" in err


def test_ctrl_c_stops_after_the_current_accounts(environment, sandbox):
    sandbox.latency_ms = 400
    command = [sys.executable, "-m", "ingest", "refresh", *sandbox.world.logins()]
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as refresh:
        wait_until(lambda: len(sandbox.log))
        refresh.send_signal(signal.SIGINT)
        assert refresh.wait(60) == 130
        assert b"Traceback" not in refresh.stderr.read()
