"""Camera: all points fit on the canvas, as large as possible; labels do not overlap."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.scene.camera import Camera, Canvas, fit_camera, non_overlapping_labels

FEW_EXAMPLES = settings(max_examples=60, deadline=None)
CANVASES = st.builds(Canvas, st.floats(280, 2000), st.floats(280, 800))
POINTS = st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 700), st.floats(0, 300)), min_size=3, max_size=30).map(
    lambda points: np.array([(0, 0, 0), (1000, 700, 0), *points], dtype=float)
)


@FEW_EXAMPLES
@given(POINTS, CANVASES, st.floats(0, 40))
def test_all_points_and_labels_fit_on_the_canvas(points, canvas, headroom):
    seen = fit_camera(points, canvas, headroom=headroom).project(points, canvas)
    slack = 2.0  # pixels
    assert seen[:, 0].min() >= canvas.margin - slack
    assert seen[:, 0].max() <= canvas.width - canvas.margin + slack
    assert seen[:, 1].min() >= headroom + canvas.margin - slack
    assert seen[:, 1].max() <= canvas.height - canvas.margin + slack


@FEW_EXAMPLES
@given(POINTS, CANVASES)
def test_the_projection_fills_one_side_of_the_canvas(points, canvas):
    seen = fit_camera(points, canvas).project(points, canvas)
    across, down = seen.max(axis=0) - seen.min(axis=0)
    free = max(
        across / (canvas.width - 2 * canvas.margin),
        down / (canvas.height - 2 * canvas.margin),
    )
    assert free == pytest.approx(1, abs=0.01)


def test_the_target_is_in_the_middle_and_a_unit_there_is_two_to_the_zoom():
    camera, canvas = Camera(target=(5, 6, 7), zoom=3), Canvas(800, 600)
    flat = Camera(target=(5, 6, 7), zoom=3, rotation_x=0, rotation_orbit=0)
    assert camera.project(np.array([[5.0, 6, 7]]), canvas)[0] == pytest.approx((400, 300))
    assert flat.project(np.array([[6.0, 6, 7]]), canvas)[0] == pytest.approx((408, 300))
    assert flat.project(np.array([[5.0, 6, 8]]), canvas)[0] == pytest.approx((400, 292))


def test_distant_points_are_smaller_and_higher():
    camera, canvas = Camera(target=(0, 0, 0), zoom=0), Canvas(800, 600)
    near, far = camera.project(np.array([[-100.0, -160, 0], [100, 160, 0]]), canvas)
    assert far[1] < near[1]


@FEW_EXAMPLES
@given(st.lists(st.tuples(st.floats(0, 800), st.floats(0, 600), st.floats(20, 150)), max_size=40))
def test_chosen_labels_are_inside_do_not_overlap_and_the_first_wins(labels):
    canvas = Canvas(800, 600)
    anchors = np.array([(x, y) for x, y, _ in labels]).reshape(-1, 2)
    kept = non_overlapping_labels(anchors, [width for _, _, width in labels], 20, canvas)
    boxes = [(labels[i][0] - labels[i][2] / 2, labels[i][1] - 20, labels[i][2]) for i in kept]
    for (left, top, width), (other_left, other_top, other_width) in combinations(boxes, 2):
        assert left + width <= other_left or other_left + other_width <= left or abs(top - other_top) >= 20
    for left, top, width in boxes:
        assert left >= 0
        assert left + width <= 800
        assert top >= 0
    inside = [i for i, (x, y, width) in enumerate(labels) if x - width / 2 >= 0 and x + width / 2 <= 800 and y >= 20]
    assert kept[:1] == inside[:1]
