"""
# Ingestion
What is being fetched from GitHub now, the results of earlier ingestions, and how fresh the data are.
"""

from datetime import UTC, datetime

from pages.components import github_budget
from pages.sections import enrichment_costs, freshness, ingestion_list, running_ingestions
from pages.session import current

admin, now = current.require_identity("admin"), datetime.now(UTC)
running_ingestions.show_start_buttons(admin)
running_ingestions.show_running()
"""
## GitHub's rate budget
Requests and points that are left until the next reset. All tokens of one owner share one budget.
"""
github_budget.show_gauges()
"""
## Enrichment
Facts that a refresh does not carry take turns in what refreshes leave of the rate budget.
"""
enrichment_costs.show(now)
"""
## Freshness
"""
freshness.show(now)
"""
## Ingestions
Newest first; select one to see the outcome of each account.
"""
ingestion_list.show(now)
