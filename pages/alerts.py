"""
# Alerts
What is out of the ordinary now, what was noticed lately, and what is watched.
"""

from pages.sections import alert_list, alert_rules, webhooks
from pages.session import current

identity = current.current_identity()
alert_list.show_active_alerts()
"""
## Noticed lately
Each happening once, newest first.
"""
alert_list.show_recent_alerts()
"""
## Rules
What a run brings in is looked at when it ends; what lasts, every few minutes.
"""
alert_rules.show(identity)
if identity.is_admin:
    """
    ## Webhooks
    Addresses outside that are told of alerts as they come.
    """
    webhooks.show(identity)
