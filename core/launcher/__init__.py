"""`make run`: embedded servers, child processes, demo, backup, check."""
