"""Labels of the codes in the rows of queries."""

from core.queries import changes

CHANGES = changes.LABELS
FRESHNESS = {"on_time": "on time", "overdue": "overdue", "never": "never", "paused": "paused"}
PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "a year"}
