"""One batch of accounts, from request to committed snapshots."""
