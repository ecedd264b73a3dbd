"""GitHub's REST and GraphQL interfaces as typed models."""
