"""Asks GitHub, stores the answers."""
