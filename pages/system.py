"""
# System
What is running and waiting, how much of GitHub's rate budget is left, and the settings.
"""

from pages.components import github_budget
from pages.sections import number_reports, recent_failures, settings_list, stored_data, system_status
from pages.session import current

current.require_identity("admin")
settings_list.show_warnings()
system_status.show()
"""
## GitHub's rate budget
Requests and points that are left until the next reset. All tokens of one owner share one budget.
"""
github_budget.show_budget_table()
"""
## Recent failures
Accounts that could not be refreshed in the last 7 days, newest first. They are retried automatically.
"""
recent_failures.show()
"""
## Reported numbers
What people doubt, newest first: the cell as they saw it, with its query, values and rows.
"""
number_reports.show()
"""
## Data
The published data version, and the size of each table.
"""
stored_data.show()
"""
## Versions
"""
settings_list.show_versions()
"""
## Settings
From the environment or `.env`, as read when this process started. Secrets are masked.
"""
settings_list.show_settings()
