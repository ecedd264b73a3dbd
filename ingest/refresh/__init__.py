"""Refresh of one batch of accounts, from request to committed snapshots."""
