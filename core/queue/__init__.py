"""What can be asked of the ingestor: jobs, ingestions, enrichment, account look-ups."""
