"""When contributors are new, returning or inactive: by comparing what GitHub listed at different times."""

from datetime import timedelta

QUIET = timedelta(days=90)
DEFINITION = (
    "**New**: listed for the first time within the last 90 days, and not yet when the list was first read. "
    "**Returning**: more commits within the last 90 days after at least 90 days without. **Active**: more commits "
    "within the last 90 days. **Inactive**: none for at least 90 days. A dash: the list has not been read for long "
    "enough to tell. Who was never among the hundred with most commits before counts as new."
)
