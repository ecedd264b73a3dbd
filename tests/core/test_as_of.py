"""Accepted values of `as_of` and their meaning."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.as_of import EARLIEST, as_of_text, end_of_day, parse_as_of, parse_since
from core.errors import BadInput

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-31", "2026-10-31T23:59:59.999999+00:00"),
        ("2026-11-23", "2026-11-23T23:59:59.999999+00:00"),
        ("2026-10-31T06:00:00Z", "2026-10-31T06:00:00+00:00"),
        ("2026-10-31t06:00:00.25z", "2026-10-31T06:00:00.250000+00:00"),
        ("2026-10-31T06:00:00.123456789Z", "2026-10-31T06:00:00.123456+00:00"),
        ("2026-10-31T06:00:00+02:00", "2026-10-31T04:00:00+00:00"),
        ("2026-10-31T06:00:00 02:00", "2026-10-31T04:00:00+00:00"),
        ("2007-10-01", "2007-10-01T23:59:59.999999+00:00"),
    ],
)
def test_a_date_means_its_end_and_a_time_means_itself(text, moment):
    assert parse_as_of(text, NOW) == datetime.fromisoformat(moment)


def test_since_a_date_means_its_start():
    assert parse_since("2026-10-31", NOW) == datetime(2026, 10, 31, tzinfo=UTC)


def test_since_a_day_before_github_means_all():
    assert parse_since("1970-01-01", NOW) == EARLIEST


@given(some.timedeltas(timedelta(0), NOW - EARLIEST), some.booleans())
def test_a_written_moment_is_parsed_to_itself(age, is_end_of_day):
    at = end_of_day((NOW - age).date()) if is_end_of_day else NOW - age
    assert parse_as_of(as_of_text(at), NOW) == at
    assert len(as_of_text(at)) == 10 or not is_end_of_day


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026", "2026-13-01", "2026-02-30", "20261031", "2026-W44-6", "2026/10/31", "31.10.2026"),
        *("2026-10-31T06:00:00", "1761890400", "\x00", "1970-01-01", "2007-09-30", "2007-09-30T23:59:59Z"),
        *("2026-11-24", "9999-12-31", "0000-01-01", "٢٠٢٦-١٠-٣١", "2026-10-31T25:00:00Z", "2026-10-31T06:00:00+99:00"),
        *("2026-10-31T06:00:00123Z", "2026-10-31T06:00:00.Z"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-10-31 " * 1000),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text):
    with pytest.raises(BadInput, match="as_of is"):
        parse_as_of(text, NOW)


@given(some.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        found = parse_as_of(text, NOW)
    except BadInput:
        return
    assert EARLIEST <= found <= NOW + timedelta(days=1)
