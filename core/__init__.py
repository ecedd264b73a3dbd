"""Everything that the pages and the ingestor share."""
