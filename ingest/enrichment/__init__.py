"""Enrichment: facts that the pulse does not carry, each kind with its own cadence. Safe to repeat."""

from ingest.enrichment.job import Enricher
from ingest.enrichment.run_log import EnrichmentRun

__all__ = ["Enricher", "EnrichmentRun"]
