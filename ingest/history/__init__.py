"""History that somebody else kept: import of their files, and its place beside what GitHub tells us."""

from ingest.history.accounts import adopt_accounts
from ingest.history.adopting import adopt_imported
from ingest.history.importing import ImportReport, Progress, import_history

__all__ = ["ImportReport", "Progress", "adopt_accounts", "adopt_imported", "import_history"]
