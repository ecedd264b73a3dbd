"""Squarified treemap: rectangles of given areas fill a box, each as square as it gets (Bruls, Huizing, van Wijk)."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_INSET_SHARE = 0.2


@dataclass(frozen=True)
class Box:
    """A rectangle on the ground; *x* and *y* are its lower corner."""

    x: float
    y: float
    width: float
    depth: float

    @property
    def area(self) -> float:
        return self.width * self.depth

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.depth / 2

    def inset(self, by: float) -> "Box":
        """Return the box reduced by *by* on each side, at most by a fifth of its shorter side."""
        by = min(by, MAX_INSET_SHARE * min(self.width, self.depth))
        return Box(self.x + by, self.y + by, self.width - 2 * by, self.depth - 2 * by)

    def mirrored(self, within: "Box") -> "Box":
        """Return the box mirrored through the centre of *within*."""
        x = 2 * within.x + within.width - self.x - self.width
        y = 2 * within.y + within.depth - self.y - self.depth
        return Box(x, y, self.width, self.depth)


def squarify(weights: Sequence[float], box: Box) -> list[Box]:
    """Cut *box* into one rectangle per weight, areas proportional, from the near corner (least x and y) to the far one.

    Weights must be positive; given largest first, the rectangles come out nearly square.
    """
    unit = box.area / sum(weights) if weights else 0.0
    areas = [weight * unit for weight in weights]
    cut: list[Box] = []
    rest = box
    while len(cut) < len(areas):
        side = min(rest.width, rest.depth)
        row = _take_row(areas, len(cut), side)
        last = len(cut) + len(row) == len(areas)
        rects, rest = _lay_row(row, rest, last=last)
        cut += rects
    return cut


def _take_row(areas: Sequence[float], start: int, side: float) -> Sequence[float]:
    """Take areas from *start* on as long as that improves the row's worst aspect ratio."""
    end = start + 1
    worst = _worst_aspect_ratio(areas[start], areas[start], areas[start], side)
    total = smallest = largest = areas[start]
    while end < len(areas):
        area = areas[end]
        total, smallest, largest = total + area, min(smallest, area), max(largest, area)
        shape = _worst_aspect_ratio(total, smallest, largest, side)
        if shape > worst:
            break
        worst, end = shape, end + 1
    return areas[start:end]


def _worst_aspect_ratio(total: float, smallest: float, largest: float, side: float) -> float:
    """Return the worst aspect ratio in a row of that total area, laid along *side*."""
    return max(side * side * largest / (total * total), total * total / (side * side * smallest))


def _lay_row(row: Sequence[float], box: Box, *, last: bool) -> tuple[list[Box], Box]:
    """Lay *row* along the shorter side of *box*, at its near end; return the rectangles and the rest of the box."""
    lengthwise = box.width >= box.depth
    side, reach = (box.depth, box.width) if lengthwise else (box.width, box.depth)
    total = sum(row)
    # The last row takes the rest of the box, so that rounding leaves no gap.
    thick = reach if last else min(reach, total / side)
    rects, at = [], 0.0
    for area in row:
        length = side * area / total
        along = Box(box.x, box.y + at, thick, length) if lengthwise else Box(box.x + at, box.y, length, thick)
        rects.append(along)
        at += length
    if lengthwise:
        return rects, Box(box.x + thick, box.y, box.width - thick, box.depth)
    return rects, Box(box.x, box.y + thick, box.width, box.depth - thick)
