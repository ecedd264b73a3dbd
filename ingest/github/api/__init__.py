"""GitHub's REST and GraphQL APIs as typed models."""
