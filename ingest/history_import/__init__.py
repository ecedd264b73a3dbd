"""History that somebody else kept: import of their files, and its place beside what GitHub tells us."""
