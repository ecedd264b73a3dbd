"""Fetching many accounts at once."""
