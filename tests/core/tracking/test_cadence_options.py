"""Labels of cadences say the cadence exactly, in the largest unit that divides it, and can be read back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tracking.cadence_options import CADENCES, cadence_label, parse_cadence_label


@pytest.mark.parametrize(
    ("cadence", "label"),
    [
        (timedelta(minutes=2), "Every 2 minutes"),
        (timedelta(minutes=1), "Every 1 minute"),
        (timedelta(seconds=95), "Every 95 seconds"),
        (timedelta(minutes=90), "Every 90 minutes"),
        (timedelta(hours=1), "Every hour"),
        (timedelta(minutes=61), "Every 61 minutes"),
        (timedelta(hours=36), "Every 36 hours"),
        (timedelta(days=3), "Every 3 days"),
        (timedelta(days=7), "Every week"),
    ],
)
def test_a_cadence_has_a_label_in_its_own_unit(cadence, label):
    assert cadence_label(cadence / timedelta(hours=1)) == label


@given(st.integers(1, 400 * 86_400))
def test_a_label_is_read_back_as_the_same_cadence(seconds):
    assert parse_cadence_label(cadence_label(seconds / 3600)) == timedelta(seconds=seconds)


def test_the_planner_decides_without_a_cadence():
    assert cadence_label(None) == "Planned"
    assert parse_cadence_label("Planned") is None
    for name, cadence in CADENCES.items():
        assert cadence is None or cadence_label(cadence / timedelta(hours=1)) == name
