"""Percentages as text."""

import pytest

from pages.components.format import percent


@pytest.mark.parametrize(
    ("share", "text"), [(38 / 120, "31"), (0.29, "29"), (0.57, "57"), (0.9999, "99"), (1.0, "100"), (0.0, "0")]
)
def test_a_percentage_that_is_rounded_down_never_says_more_than_is(share, text):
    """38 / 120 is 31.67 %."""
    assert percent(share, round_down=True) == f"{text}\N{NO-BREAK SPACE}%"


def test_only_a_full_share_rounds_to_100_percent():
    assert [percent(share) for share in (0.996, 0.9999, 1.0)] == [
        f"{text}\N{NO-BREAK SPACE}%" for text in ("99", "99", "100")
    ]
