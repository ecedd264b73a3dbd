"""The HTTP side: server, tokens, rate limits, faults, request log."""
