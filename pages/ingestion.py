"""
# Ingestion
What is being asked of GitHub now, what became of it, and how fresh all of it is.
"""

from datetime import UTC, datetime

from pages.sections import budget_gauges, freshness, ingestion_list, running_ingestions
from pages.session import current

admin, now = current.require_identity("admin"), datetime.now(UTC)
running_ingestions.show_start_buttons(admin)
running_ingestions.show_running()
"""
## GitHub's budget
What GitHub will still answer this hour. All tokens of one owner share one budget.
"""
budget_gauges.show()
"""
## Freshness
"""
freshness.show(now)
"""
## Runs
Everything that was asked for, newest first; choose one to see what became of each account.
"""
ingestion_list.show(now)
