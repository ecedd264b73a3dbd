"""Free-text locations to coordinates."""
