"""GitHub's REST routes and bodies."""
