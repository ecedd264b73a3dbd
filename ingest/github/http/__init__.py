"""HTTP to GitHub: transport, responses, rate gate, ETag cache, credentials."""
