"""
# Alerts
Active alerts, recent alerts, and the rules that raise them.
"""

from pages.components import alert_list
from pages.sections import alert_rules, webhooks
from pages.session import current

identity = current.current_identity()
alert_list.show_active_alerts()
"""
## Recent alerts
Newest first.
"""
alert_list.show_recent_alerts()
"""
## Rules
Event rules run after each ingestion; state rules every 5 minutes.
"""
alert_rules.show(identity)
if identity.is_admin:
    """
    ## Webhooks
    URLs that are notified of each alert.
    """
    webhooks.show(identity)
