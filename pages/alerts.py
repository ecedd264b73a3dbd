"""
# Alerts
What is out of the ordinary now, what was noticed lately, and what is watched.
"""

from pages import noticed, rules, session, webhooks

reader = session.signed_in()
noticed.lasting()
"""
## Noticed lately
Each happening once, newest first.
"""
noticed.recent()
"""
## Rules
What a run brings in is looked at when it ends; what lasts, every few minutes.
"""
rules.show(reader)
if reader.is_admin:
    """
    ## Webhooks
    Addresses outside that are told of alerts as they come.
    """
    webhooks.show(reader)
