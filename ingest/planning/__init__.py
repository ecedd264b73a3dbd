"""When each account is refreshed: due accounts, change rates, allocation of the rate budget, backoff."""
