"""Parts of exactly one page that are too long for it."""
