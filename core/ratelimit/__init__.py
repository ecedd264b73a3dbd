"""Rate limits per person and per IP address, on the `limits` library."""
