"""
# Ingestion
What is being asked of GitHub now, what became of it, and how fresh all of it is.
"""

from datetime import UTC, datetime

from pages import fresh, gauges, runs, session, under_way

admin, now = session.required("admin"), datetime.now(UTC)
under_way.start(admin)
under_way.live()
"""
## GitHub's budget
What GitHub will still answer this hour. All tokens of one owner share one budget.
"""
gauges.show()
"""
## Freshness
"""
fresh.show(now)
"""
## Runs
Everything that was asked for, newest first; choose one to see what became of each account.
"""
runs.show(now)
