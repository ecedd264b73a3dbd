"""GitHub's rate limits as all processes see them: shared state in Redis, cost model, forecast."""
