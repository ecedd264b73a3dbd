"""Treemap: rectangles fill the box without overlap, areas proportional to weights."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.scene.treemap import Box, squarify

FEW_EXAMPLES = settings(max_examples=60, deadline=None)
BOX = Box(10.0, -20.0, 1000.0, 700.0)
WEIGHTS = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60)


def overlap_area(one: Box, other: Box) -> float:
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    along = min(one.y + one.depth, other.y + other.depth) - max(one.y, other.y)
    return max(0.0, across) * max(0.0, along)


@FEW_EXAMPLES
@given(WEIGHTS)
def test_areas_are_proportional_and_fill_the_box(weights):
    rects = squarify(weights, BOX)
    unit = BOX.area / sum(weights)
    assert len(rects) == len(weights)
    assert sum(rect.area for rect in rects) == pytest.approx(BOX.area)
    for rect, weight in zip(rects, weights, strict=True):
        assert rect.area == pytest.approx(weight * unit, rel=1e-6, abs=1e-6 * BOX.area)


@FEW_EXAMPLES
@given(WEIGHTS)
def test_no_two_rectangles_overlap_and_all_are_inside(weights):
    rects = squarify(weights, BOX)
    slack = 1e-6
    for rect in rects:
        assert rect.x >= BOX.x - slack
        assert rect.y >= BOX.y - slack
        assert rect.x + rect.width <= BOX.x + BOX.width + slack
        assert rect.y + rect.depth <= BOX.y + BOX.depth + slack
    assert all(overlap_area(one, other) < 1e-6 * BOX.area for one, other in combinations(rects, 2))


@FEW_EXAMPLES
@given(st.integers(1, 400))
def test_equal_weights_give_nearly_square_lots(count):
    rects = squarify([1.0] * count, Box(0, 0, 100, 100))
    worst = max(max(rect.width / rect.depth, rect.depth / rect.width) for rect in rects)
    assert worst <= 3 + 1e-9


@FEW_EXAMPLES
@given(WEIGHTS)
def test_the_first_rectangle_is_at_the_near_corner(weights):
    first = squarify(weights, BOX)[0]
    assert (first.x, first.y) == pytest.approx((BOX.x, BOX.y))


@FEW_EXAMPLES
@given(WEIGHTS)
def test_mirroring_twice_changes_nothing(weights):
    for rect in squarify(weights, BOX):
        twice = rect.mirrored(BOX).mirrored(BOX)
        assert (twice.x, twice.y) == pytest.approx((rect.x, rect.y))


@FEW_EXAMPLES
@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 50))
def test_an_inset_never_turns_a_box_inside_out(width, depth, by):
    smaller = Box(0, 0, width, depth).inset(by)
    assert smaller.width > 0
    assert smaller.depth > 0
    assert smaller.center == pytest.approx((width / 2, depth / 2))


def test_no_weights_give_no_rectangles():
    assert squarify([], BOX) == []


def test_sorted_weights_give_bounded_aspect_ratios():
    weights = [float(weight) for weight in range(60, 0, -1)]
    rects = squarify(weights, BOX)
    assert max(max(rect.width / rect.depth, rect.depth / rect.width) for rect in rects) < 3
    assert all(one.area >= other.area - 1e-6 for one, other in pairwise(rects))
