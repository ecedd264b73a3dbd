"""GitHub's GraphQL: schema, execution, cost and errors."""
