"""Limits per person and per address, on the `limits` library."""
