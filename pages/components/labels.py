"""Labels of the codes in the rows of queries."""

CHANGES = {
    "new": "appeared",
    "gone": "deleted or made private",
    "back": "available again",
    "archived": "archived",
    "restored": "unarchived",
    "renamed": "renamed",
    "transferred": "moved to another owner",
    "relicensed": "changed its licence",
    "primary_language": "changed its primary language",
    "default_branch": "changed its default branch",
}
FRESHNESS = {"on_time": "on time", "overdue": "overdue", "never": "never", "paused": "paused"}
PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "a year"}
