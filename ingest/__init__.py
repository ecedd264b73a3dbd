"""Fetch accounts from GitHub and store what changed."""
