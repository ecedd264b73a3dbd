"""The command reads what enrichment jobs read: it is tested on the same repositories."""

from tests.ingest.enrichment.conftest import famous, harness, pretend

__all__ = ["famous", "harness", "pretend"]
