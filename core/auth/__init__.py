"""People, passwords, sessions, tokens, roles, API keys and the audit trail."""
