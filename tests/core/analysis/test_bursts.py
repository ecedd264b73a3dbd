"""Bursts of stars: which days stand out, and what was near in time."""

from datetime import date
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from core.analysis import bursts
from core.analysis.bursts import Burst, Event

counts = st.lists(st.one_of(st.integers(0, 6), st.integers(0, 300)), max_size=160)


def slow_bursts(stars: list[int]) -> list[tuple[int, int, int, int]]:
    """Judge each day by itself, then join days in a row."""
    days = []
    for position, count in enumerate(stars):
        window = stars[:position][-90:]
        if len(window) < 28 or count < 10:
            continue
        middle = median(window)
        mad = median([abs(one - middle) for one in window])
        if count > middle + 5 * max(1.4826 * mad, middle**0.5, 1):
            days.append(position)
    runs = [day for day in days if day - 1 not in days]
    found = []
    for first in runs:
        last = first
        while last + 1 in days:
            last += 1
        found.append((first, last, sum(stars[first : last + 1]), max(stars[first : last + 1])))
    return found


@given(counts)
def test_bursts_are_the_days_that_stand_out(stars):
    assert [(one.first, one.last, one.stars, one.peak) for one in bursts.find_bursts(stars)] == slow_bursts(stars)


def test_two_days_in_a_row_are_one_burst():
    """Usually 4 a day: the limit is 4 + 5 · max(0, √4, 1) = 14 stars."""
    stars = [4] * 30 + [14, 15, 40, 4]
    assert bursts.find_bursts(stars) == [Burst(first=31, last=32, stars=55, peak=40, usual=4.0)]


def test_a_repository_with_few_stars_has_no_bursts_of_nine():
    assert bursts.find_bursts([0] * 60 + [9]) == []
    assert bursts.find_bursts([0] * 60 + [10]) == [Burst(60, 60, 10, 10, 0.0)]


def test_the_first_four_weeks_are_not_judged():
    assert bursts.find_bursts([0] * 27 + [500]) == []
    assert len(bursts.find_bursts([0] * 28 + [500])) == 1


def test_a_wide_spread_raises_the_limit():
    """Days of 5, 10 and 15 stars: median 10, MAD 5, limit 10 + 5 · 1.4826 · 5 = 47.065."""
    assert bursts.find_bursts([5, 10, 15] * 14 + [47]) == []
    assert len(bursts.find_bursts([5, 10, 15] * 14 + [48])) == 1


def test_the_nearest_event_within_three_days_is_named():
    first, last = date(2026, 3, 10), date(2026, 3, 11)
    release, change = Event(date(2026, 3, 8), "release v1"), Event(date(2026, 3, 12), "renamed")
    assert bursts.nearest_event(first, last, [release, change]) == change  # 1 day against 2
    assert bursts.nearest_event(first, last, [Event(date(2026, 3, 6), "too early")]) is None
    assert bursts.nearest_event(first, last, [Event(date(2026, 3, 7), "in time")]) is not None
    assert bursts.nearest_event(first, last, [Event(date(2026, 3, 15), "too late")]) is None


def test_what_was_near_is_named_in_neutral_words():
    first, last = date(2026, 3, 10), date(2026, 3, 11)
    texts = [bursts.explanation(first, last, Event(date(2026, 3, day), "release v1")) for day in (8, 9, 11, 12)]
    assert texts == [
        "release v1 2 days before", "release v1 1 day before", "release v1 on 2026-03-11", "release v1 1 day after",
    ]  # fmt: skip
    assert bursts.explanation(first, last, None) == "no release or change nearby"


@given(
    st.dates(date(2026, 1, 1), date(2026, 1, 20)),
    st.integers(0, 3),
    st.lists(st.dates(date(2026, 1, 1), date(2026, 2, 1)), max_size=6),
)
def test_no_event_is_nearer_than_the_one_named(first, length, days):
    last = date.fromordinal(first.toordinal() + length)
    burst_days = [date.fromordinal(first.toordinal() + day) for day in range(length + 1)]
    found = bursts.nearest_event(first, last, [Event(day, "x") for day in days])
    distances = {day: min(abs((day - one).days) for one in burst_days) for day in days}
    near = [day for day, distance in distances.items() if distance <= 3]
    assert (found is None) == (not near)
    if found is not None:
        assert distances[found.day] == min(distances.values())
