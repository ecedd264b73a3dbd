from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import wording


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 accounts"), (1, "1 account"), (2, "2 accounts"), (1234, "1,234 accounts")]
)
def test_only_one_is_singular(count, expected):
    assert wording.quantity(count, "account") == expected


def test_irregular_plurals_and_verbs_are_passed_in():
    assert wording.quantity(2, "repository", "repositories") == "2 repositories"
    assert wording.pluralize(1, "account is", "accounts are") == "account is"


@pytest.mark.parametrize(
    ("change", "digits", "expected"),
    [(1234, 0, "+1,234"), (-12, 0, "−12"), (0, 0, "0"), (1283.27, 1, "+1,283.3"), (-0.04, 1, "0.0"), (10, 0, "+10")],
)
def test_a_change_has_a_sign_unless_it_is_zero(change, digits, expected):
    assert wording.signed(change, digits) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(0.4, "0 points"), (0.7, "1 point"), (1.2, "1 point"), (1.6, "2 points")]
)
def test_the_noun_agrees_with_the_number_that_is_shown(count, expected):
    assert wording.quantity(count, "point") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (40, "40 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (720, "12 min"),
        (3599, "1 h"),
        (21_600, "6 h"),
        (5_400, "1.5 h"),
        (86_400, "24 h"),
        (172_800, "2 days"),
        (216_000, "2.5 days"),
        (364 * 86_400, "364 days"),
    ],
)
def test_durations(seconds, expected):
    assert wording.duration(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "1 s"), (0.2, "1 s"), (11.2, "12 s"), (61, "2 min"), (3_601, "1.1 h"), (7_200.1, "2 h")],
)
def test_waiting_times_are_rounded_up(seconds, expected):
    assert wording.duration(timedelta(seconds=seconds), round_up=True) == expected


UNITS = {"s": 1, "min": 60, "h": 3_600, "day": 86_400, "days": 86_400}


@given(st.floats(min_value=0, max_value=10_000_000))
def test_waiting_as_long_as_the_text_says_is_long_enough(seconds):
    count, unit = wording.duration(timedelta(seconds=seconds), round_up=True).split()
    assert float(count.replace(",", "")) * UNITS[unit] >= seconds - 0.51


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (60, "a minute"),
        (900, "15 minutes"),
        (3_600, "an hour"),
        (7_200, "2 hours"),
        (86_400, "a day"),
    ],
)
def test_windows(seconds, expected):
    assert wording.window(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=4), "4 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=12), "12 days ago"),
        (timedelta(days=364), "364 days ago"),
        (timedelta(days=913), "2.5 years ago"),
    ],
)
def test_ages(passed, expected):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert wording.time_ago(now - passed, now) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (999, "999 B"),
        (9_516_735, "9.5 MB"),
        (120_000, "120 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_999, "1.0 MB"),
        (999_999_999, "1.0 GB"),
        (999_999_999_999, "1.0 TB"),
    ],
)
def test_sizes(count, expected):
    assert wording.byte_size(count) == expected
