"""Facts besides the pulse, each kind in a cadence of its own: from what is due to committed rows. Safe to repeat."""

from ingest.enrichment.job import Enricher
from ingest.enrichment.run_log import EnrichmentRun

__all__ = ["Enricher", "EnrichmentRun"]
