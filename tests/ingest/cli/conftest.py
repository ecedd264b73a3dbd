"""The command reads what enrichment jobs read: it is tested on the same repositories."""

from tests.ingest.enrichment.conftest import harness, most_starred, sandbox

__all__ = ["harness", "most_starred", "sandbox"]
