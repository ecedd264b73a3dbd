"""
# Alerts
What is out of the ordinary now, what was noticed lately, and what is watched.
"""

from pages.sections import alert_list, alert_rules, webhooks
from pages.session import current

reader = current.signed_in()
alert_list.lasting()
"""
## Noticed lately
Each happening once, newest first.
"""
alert_list.recent()
"""
## Rules
What a run brings in is looked at when it ends; what lasts, every few minutes.
"""
alert_rules.show(reader)
if reader.is_admin:
    """
    ## Webhooks
    Addresses outside that are told of alerts as they come.
    """
    webhooks.show(reader)
