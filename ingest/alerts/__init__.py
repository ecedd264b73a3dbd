"""Alerts: what rules notice in what was collected, and how others are told."""
