"""Fetching many accounts concurrently, with batched GraphQL queries."""
