"""HTTP to GitHub: transport, reading responses, rate gate, ETag cache, credentials."""
