"""Tracked accounts: reading and changing them, tracking requests, parsing of logins and URLs, cadences."""
