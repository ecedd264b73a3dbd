"""Where the scene's camera stands: fitted so that nothing is cut, and which labels fit on what it sees.

The arithmetic is deck.gl's OrbitView (orbit axis Z): the target is in the middle of the canvas, and 2 ** zoom is how
many pixels one unit is wide there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, log2, radians, sin, tan
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
FIELD_OF_VIEW = 20.0  # degrees: a long lens, so that far towers and their names are nearly as large as near ones
FOCAL_LENGTH = 0.5 / tan(radians(FIELD_OF_VIEW / 2))


@dataclass(frozen=True)
class Canvas:
    """What the scene is drawn on, in CSS pixels, and the margin that stays free."""

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
        """Where *points* (n × 3) are on the canvas: pixels from the left, pixels from the top."""
        across, away, up = self._seen(points) * (2**self.zoom / canvas.height)
        scale = FOCAL_LENGTH * canvas.height / (FOCAL_LENGTH + away)
        return np.column_stack((canvas.width / 2 + across * scale, canvas.height / 2 - up * scale))

    def _seen(self, points: Points) -> Points:
        """Turned as the camera sees them: right, away from it, up."""
        x, y, z = (points - np.array(self.target)).T
        orbit, tilt = radians(self.rotation_orbit), radians(self.rotation_x)
        across, along = x * cos(orbit) - y * sin(orbit), x * sin(orbit) + y * cos(orbit)
        return np.array((across, along * cos(tilt) - z * sin(tilt), along * sin(tilt) + z * cos(tilt)))

    def moved(self, across: float, up: float) -> "Camera":
        """The same camera, its target moved by so many units in the plane of the canvas."""
        orbit, tilt = radians(self.rotation_orbit), radians(self.rotation_x)
        x, y, z = self.target
        # Up on the canvas is away and up in the world, by the tilt.
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
    """The closest camera that shows all *points*, with *headroom* pixels free above them for labels."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = tuple(float(value) for value in (low + high) / 2)
    camera = Camera(target=(middle[0], middle[1], middle[2]), zoom=log2(canvas.height / np.linalg.norm(high - low)))
    # Perspective bends the picture a little with each step closer, so a few rounds settle it.
    for _ in range(12):
        camera = _fit_step(camera, points, canvas, headroom)
    return camera


def _fit_step(camera: Camera, points: Points, canvas: Canvas, headroom: float) -> Camera:
    """Centre the picture and come as close as its larger side allows."""
    seen = camera.project(points, canvas)
    low, high = seen.min(axis=0), seen.max(axis=0)
    across, down = (low + high) / 2 - np.array((canvas.width / 2, (canvas.height + headroom) / 2))
    unit = 2**camera.zoom
    camera = camera.moved(float(across / unit), float(-down / unit))
    free = np.array((canvas.width - 2 * canvas.margin, canvas.height - headroom - 2 * canvas.margin))
    return replace(camera, zoom=camera.zoom + log2(float((free / (high - low)).min())))


def non_overlapping_labels(
    anchors: Points, widths: Sequence[float], height: float, canvas: Canvas, *, gap: float = 4.0
) -> list[int]:
    """Which labels can stand, the first ones first: inside the canvas and clear of those already standing.

    *anchors* (n × 2) are the middles of the labels' lower edges in pixels; *widths* and *height* are the labels' own.
    """
    standing: list[tuple[float, float, float, float]] = []
    kept = []
    for index, ((x, y), width) in enumerate(zip(anchors, widths, strict=True)):
        left, right, top, bottom = x - width / 2, x + width / 2, y - height, y
        inside = left >= 0 and right <= canvas.width and top >= 0 and bottom <= canvas.height
        clear = all(
            right + gap <= other_left
            or left >= other_right + gap
            or bottom + gap <= other_top
            or top >= other_low + gap
            for other_left, other_right, other_top, other_low in standing
        )
        if inside and clear:
            standing.append((left, right, top, bottom))
            kept.append(index)
    return kept
