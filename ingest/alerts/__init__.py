<<<<<<< HEAD
"""Alerts: evaluation of rules and delivery to webhooks."""
=======
"""Alerts: evaluate rules over what was collected, and deliver webhooks."""
>>>>>>> 3189370 (Hold inner layers, import cycles and the glossary's words by tests)
