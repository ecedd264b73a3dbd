"""People: passwords, sessions, tokens, roles, API keys, audit."""
