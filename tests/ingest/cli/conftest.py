"""The command reads what enrichment jobs read: it is tested on the same repositories."""

from tests.ingest.enrichment.conftest import famous, pretend, readings

__all__ = ["famous", "pretend", "readings"]
