"""Measurements: each figure beside a floor taken in the same run. Machines are noisy, ratios less so."""
