"""Labels of the codes in the rows of queries."""

from pandas import DataFrame

from core.queries import changes
from pages.components.as_of import subject_links

CHANGES = changes.LABELS
FRESHNESS = {"on_time": "on time", "overdue": "overdue", "never": "never", "paused": "paused", "deleted": "deleted"}
PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "a year"}


def change_label(kind: str) -> str:
    """Return what happened: `changed its licence`; a kind of another version is its own label."""
    return changes.LABELS.get(kind, kind)


def change_rows(changes: DataFrame) -> DataFrame:
    """Add to rows of `core.queries.changes.list_changes` a link to the subject and the kind as a label."""
    return changes.assign(
        subject=subject_links(changes["repository"], changes["account"]),
        what=changes["kind"].map(change_label),
    )
