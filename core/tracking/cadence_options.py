"""Cadences that people can choose, by label; None lets the planner decide."""

import re
from datetime import timedelta

CADENCES: dict[str, timedelta | None] = {
    "Planned": None,
    "Every hour": timedelta(hours=1),
    "Every 6 hours": timedelta(hours=6),
    "Every day": timedelta(days=1),
    "Every week": timedelta(days=7),
}
CUSTOM_CADENCE_PATTERN = re.compile(r"Every ([\d.]+) hours")


def cadence_label(hours: float | None) -> str:
    """Return the label of a cadence; one that is not in the list is given in hours."""
    if hours is None:
        return "Planned"
    for label, cadence in CADENCES.items():
        if cadence is not None and abs(cadence.total_seconds() / 3600 - hours) < 1 / 60:
            return label
    return f"Every {hours:g} hours"


def parse_cadence_label(label: str) -> timedelta | None:
    """Return the cadence of a label that `cadence_label` returned."""
    custom = CUSTOM_CADENCE_PATTERN.fullmatch(label)
    return timedelta(hours=float(custom[1])) if custom and label not in CADENCES else CADENCES[label]
