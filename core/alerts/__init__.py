"""Alert rules and webhooks: what exists, and the commands that change them."""
