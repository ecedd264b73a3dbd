"""What the pages and the ingestor share."""
