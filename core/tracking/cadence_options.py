"""The cadences that people choose from, by name. None leaves it to the planner."""

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


def cadence_label(every_hours: float | None) -> str:
    """What a pinned cadence is called; one that is not on the list is told in hours."""
    if every_hours is None:
        return "Planned"
    for name, every in CADENCES.items():
        if every is not None and abs(every.total_seconds() / 3600 - every_hours) < 1 / 60:
            return name
    return f"Every {every_hours:g} hours"


def parse_cadence_label(name: str) -> timedelta | None:
    """The cadence of a name that `named` gave."""
    other = CUSTOM_CADENCE_PATTERN.fullmatch(name)
    return timedelta(hours=float(other[1])) if other and name not in CADENCES else CADENCES[name]
