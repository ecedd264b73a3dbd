"""The contents of the sandbox GitHub, the same for the same seed: accounts, repositories, how they grow and change."""
