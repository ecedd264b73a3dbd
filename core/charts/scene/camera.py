"""Camera of the scene, fitted to its content, and the choice of labels that do not overlap.

The arithmetic is that of deck.gl's OrbitView (orbit axis Z): the target is in the middle of the canvas, and one unit
is 2 ** zoom pixels wide there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, log2, radians, sin, tan
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
FIELD_OF_VIEW = 20.0  # degrees: narrow, so that far towers and labels are nearly as large as near ones
FOCAL_LENGTH = 0.5 / tan(radians(FIELD_OF_VIEW / 2))
LABEL_GAP_PIXELS = 4.0


@dataclass(frozen=True)
class Canvas:
    """The drawing area in CSS pixels, and the margin kept free."""

    width: float
    height: float
    margin: float = 12.0


@dataclass(frozen=True)
class Camera:
    target: tuple[float, float, float]
    zoom: float
    rotation_x: float = 36.0
    rotation_orbit: float = 32.0

    def project(self, points: Points, canvas: Canvas) -> Points:
        """Project *points* (n × 3) onto the canvas: pixels from the left, pixels from the top."""
        across, away, up = self._to_camera_axes(points) * (2**self.zoom / canvas.height)
        scale = FOCAL_LENGTH * canvas.height / (FOCAL_LENGTH + away)
        return np.column_stack((canvas.width / 2 + across * scale, canvas.height / 2 - up * scale))

    def _to_camera_axes(self, points: Points) -> Points:
        """Rotate *points* into camera coordinates: right, away from the camera, up."""
        x, y, z = (points - np.array(self.target)).T
        orbit, tilt = radians(self.rotation_orbit), radians(self.rotation_x)
        across, along = x * cos(orbit) - y * sin(orbit), x * sin(orbit) + y * cos(orbit)
        return np.array((across, along * cos(tilt) - z * sin(tilt), along * sin(tilt) + z * cos(tilt)))

    def moved(self, across: float, up: float) -> "Camera":
        """Return the same camera with its target moved by *across* and *up* units in the plane of the canvas."""
        orbit, tilt = radians(self.rotation_orbit), radians(self.rotation_x)
        x, y, z = self.target
        # Up on the canvas is a mix of away and up in the scene, by the tilt.
        along = up * sin(tilt)
        return replace(
            self,
            target=(
                x + across * cos(orbit) + along * sin(orbit),
                y - across * sin(orbit) + along * cos(orbit),
                z + up * cos(tilt),
            ),
        )


def fit_camera(points: Points, canvas: Canvas, *, headroom: float = 0.0) -> Camera:
    """Return the closest camera that shows all *points*, with *headroom* pixels free above them for labels."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = tuple(float(value) for value in (low + high) / 2)
    camera = Camera(target=(middle[0], middle[1], middle[2]), zoom=log2(canvas.height / np.linalg.norm(high - low)))
    # Perspective changes the projection with each step closer: a few rounds converge.
    for _ in range(12):
        camera = _fit_step(camera, points, canvas, headroom)
    return camera


def _fit_step(camera: Camera, points: Points, canvas: Canvas, headroom: float) -> Camera:
    """Centre the projection and zoom in as far as its larger side allows."""
    projected = camera.project(points, canvas)
    low, high = projected.min(axis=0), projected.max(axis=0)
    across, down = (low + high) / 2 - np.array((canvas.width / 2, (canvas.height + headroom) / 2))
    unit = 2**camera.zoom
    camera = camera.moved(float(across / unit), float(-down / unit))
    free = np.array((canvas.width - 2 * canvas.margin, canvas.height - headroom - 2 * canvas.margin))
    return replace(camera, zoom=camera.zoom + log2(float((free / (high - low)).min())))


def non_overlapping_labels(anchors: Points, widths: Sequence[float], height: float, canvas: Canvas) -> list[int]:
    """Return the indexes of labels to draw, in order of preference: inside the canvas and clear of earlier ones.

    *anchors* (n × 2) are the middles of the labels' lower edges in pixels; *widths* and *height* are the labels' sizes.
    """
    placed: list[tuple[float, float, float, float]] = []
    indexes = []
    for index, ((x, y), width) in enumerate(zip(anchors, widths, strict=True)):
        left, right, top, bottom = x - width / 2, x + width / 2, y - height, y
        is_inside = left >= 0 and right <= canvas.width and top >= 0 and bottom <= canvas.height
        is_clear = all(
            right + LABEL_GAP_PIXELS <= other_left
            or left >= other_right + LABEL_GAP_PIXELS
            or bottom + LABEL_GAP_PIXELS <= other_top
            or top >= other_low + LABEL_GAP_PIXELS
            for other_left, other_right, other_top, other_low in placed
        )
        if is_inside and is_clear:
            placed.append((left, right, top, bottom))
            indexes.append(index)
    return indexes
