"""Parts that many pages use."""
