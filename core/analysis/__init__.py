"""Pure decisions about numbers: differences, comparisons, bursts, dormancy, milestones, the shape of a portfolio."""
