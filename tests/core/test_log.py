"""Logs are machine-readable and contain no secrets."""

import io
import json
import logging

import pytest
import structlog

from core import log


@pytest.fixture
def lines():
    """Log to memory as JSON; return a function that reads the lines so far."""
    stream = io.StringIO()
    log.configure("INFO", as_json=True, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.getLogger().handlers = []


def test_a_line_has_an_event_fields_a_level_and_a_timestamp(lines):
    structlog.get_logger().info("account refreshed", login="octocat", rows=8)
    (line,) = lines()
    assert line["event"] == "account refreshed"
    assert (line["login"], line["rows"], line["level"]) == ("octocat", 8, "info")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "facts",
    [
        {"token": "ghp_0123456789abcdef"},
        {"url": "postgresql://almanac:ghp_0123456789abcdef@db/almanac"},
        {"headers": {"Authorization": "Bearer ghp_0123456789abcdef"}},
        {"error": "refused: Authorization: token ghp_0123456789abcdef"},
        {"tried": ["github_pat_0123456789abcdef"]},
        {"error": "GET /api/v1/changes.atom?token=almfeed_ab-0123456789abcdef"},
        {"error": "refused: alm_ab-c0123456789abcdef"},
    ],
)
def test_secrets_are_masked_in_any_field(lines, facts):
    structlog.get_logger().warning("something failed", **facts)
    assert "0123456789abcdef" not in json.dumps(lines())


def test_a_traceback_is_logged_without_its_secrets(lines):
    try:
        int("postgresql://almanac:hunter2@db/almanac")
    except ValueError:
        structlog.get_logger().exception("something failed")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert "hunter2" not in json.dumps(line)


def test_warnings_of_libraries_have_the_same_format(lines):
    logging.getLogger("somebody.else").warning("a pool is full")
    (line,) = lines()
    assert (line["event"], line["level"]) == ("a pool is full", "warning")


def test_a_number_called_token_count_stays_readable(lines):
    structlog.get_logger().info("budget", tokens=3)
    assert lines()[0]["tokens"] == 3


def test_control_characters_of_others_are_written_out(lines):
    structlog.get_logger().warning("refused", login="a\nb\x9b31m\u2028c", tried=["\u202ex"])
    (line,) = lines()
    assert line["login"] == "a\nb\\x9b31m\\u2028c"
    assert line["tried"] == ["\\u202ex"]


def test_no_value_forges_a_line_of_the_console():
    stream = io.StringIO()
    log.configure("INFO", as_json=False, stream=stream)
    structlog.get_logger().warning("refused", login="\x1b[2J", name="x\n2026-01-01 [info] all is well")
    logging.getLogger("somebody.else").warning("bad request line: %s", "GET /\r\n2026-01-01 [info] all is well")
    structlog.reset_defaults()
    logging.getLogger().handlers = []
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b[2J" not in stream.getvalue()
