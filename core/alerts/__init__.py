"""Alert rules and webhooks, and the audited commands that change them."""
