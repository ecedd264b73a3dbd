"""Alerts: evaluation of rules and delivery to webhooks."""
