"""Shape of a portfolio and diversity, by hand and against slow obvious versions."""

import math
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.analysis.portfolio import effective_number, gini, h_index, lorenz, shannon

stars = some.lists(some.integers(0, 1000), max_size=12)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([], 0), ([0, 0], 0), ([10, 8, 5, 4, 3], 4), ([25, 8, 5, 3, 3], 3), ([100], 1), ([2, 2], 2)],
)
def test_the_h_index(counts, expected):
    assert h_index(counts) == expected


@given(stars)
def test_the_h_index_is_the_largest_h(counts):
    assert h_index(counts) == max(h for h in range(len(counts) + 1) if sum(one >= h for one in counts) >= h)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5, 5, 5], 0.0),
        # (2·1 − 5)·1 + (2·2 − 5)·1 + (2·3 − 5)·2 + (2·4 − 5)·4 = −3 − 1 + 2 + 12 = 10, over 4 · 8
        ([4, 1, 2, 1], 0.3125),
        ([0, 0, 0, 9], 0.75),
        ([7], 0.0),
        ([0, 0], None),
        ([], None),
    ],
)
def test_the_gini_coefficient(values, expected):
    assert gini(values) == (None if expected is None else pytest.approx(expected))


@given(stars.filter(sum))
def test_gini_is_the_mean_difference_and_twice_the_area_over_the_lorenz_curve(values):
    mean = sum(values) / len(values)
    differences = sum(abs(a - b) for a, b in product(values, values))
    assert gini(values) == pytest.approx(differences / (2 * len(values) ** 2 * mean), abs=1e-9)
    curve = lorenz(values)
    under = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(curve))
    assert gini(values) == pytest.approx(1 - 2 * under, abs=1e-9)


def test_the_lorenz_curve_starts_with_the_least_starred():
    assert lorenz([4, 1, 2, 1]) == [(0, 0), (0.25, 0.125), (0.5, 0.25), (0.75, 0.5), (1.0, 1.0)]
    assert lorenz([0]) == lorenz([]) == []


def test_diversity_of_halves_and_quarters():
    # −(½ ln ½ + ½ ln ¼) = 1.5 ln 2
    assert shannon([2, 1, 1]) == pytest.approx(1.5 * math.log(2))
    assert effective_number([2, 1, 1]) == pytest.approx(2**1.5)
    assert (shannon([3]), effective_number([3, 0])) == (0.0, 1.0)
    assert effective_number([5, 5, 5]) == pytest.approx(3)
    assert (shannon([]), effective_number([0])) == (None, None)
