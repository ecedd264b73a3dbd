"""Geocoding of free-text locations."""
