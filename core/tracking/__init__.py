"""Which accounts are tracked, the commands that change it, and the logins and URLs people paste."""
