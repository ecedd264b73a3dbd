"""Cadences that people can choose, by label; None lets the planner decide."""

import re
from datetime import timedelta

from core.wording import quantity

CADENCES: dict[str, timedelta | None] = {
    "Planned": None,
    "Every hour": timedelta(hours=1),
    "Every 6 hours": timedelta(hours=6),
    "Every day": timedelta(days=1),
    "Every week": timedelta(days=7),
}
UNIT_SECONDS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
CUSTOM_CADENCE_PATTERN = re.compile(r"Every ([\d,]+) (day|hour|minute|second)s?")


def cadence_label(hours: float | None) -> str:
    """Return the label of a cadence; one that is not in the list is given in the largest unit that divides it."""
    if hours is None:
        return "Planned"
    seconds = round(hours * 3600)
    for label, cadence in CADENCES.items():
        if cadence is not None and cadence.total_seconds() == seconds:
            return label
    unit = next(unit for unit, size in UNIT_SECONDS.items() if seconds % size == 0)
    return f"Every {quantity(seconds // UNIT_SECONDS[unit], unit)}"


def parse_cadence_label(label: str) -> timedelta | None:
    """Return the cadence of a label that `cadence_label` returned, to the second."""
    if label in CADENCES:
        return CADENCES[label]
    custom = CUSTOM_CADENCE_PATTERN.fullmatch(label)
    if custom is None:
        raise KeyError(label)
    return timedelta(seconds=int(custom[1].replace(",", "")) * UNIT_SECONDS[custom[2]])
