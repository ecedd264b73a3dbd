"""The shape of a portfolio of repositories: h-index, Gini coefficient, Lorenz curve, diversity of languages (pure)."""

import math
from collections.abc import Iterable, Sequence

H_INDEX_DEFINITION = (
    "**Repository h-index**: the largest number h for which h repositories have at least h stars each. With 10, 8, 5, "
    "4 and 3 stars it is 4."
)
GINI_DEFINITION = (
    "**Gini coefficient** of stars: 0 if all repositories have as many stars, near 1 if one has all of them. It is "
    "twice the area between the Lorenz curve and the diagonal: with 1, 1, 2 and 4 stars it is 0.3125. "
    "The **Lorenz curve** shows which share of the stars the least starred repositories have together."
)
DIVERSITY_DEFINITION = (
    "**Shannon diversity**: H = −Σ p · ln p over the share p of each language. **Effective number of languages**: e "
    "to the power of H, the number of languages that would be as diverse with equal shares. With shares of one half, "
    "one quarter and one quarter H is 1.04 and the effective number 2.83. What has no language is left out."
)


def h_index(stars: Iterable[int]) -> int:
    """Return the largest h for which h of *stars* are at least h."""
    ranked = sorted(stars, reverse=True)
    return sum(1 for position, count in enumerate(ranked, 1) if count >= position)


def gini(values: Iterable[float]) -> float | None:
    """Return the Gini coefficient of *values*, none negative; None where their sum is zero."""
    ranked = sorted(values)
    total, count = sum(ranked), len(ranked)
    if not total:
        return None
    weighted = sum((2 * position - count - 1) * value for position, value in enumerate(ranked, 1))
    return weighted / (count * total)


def lorenz(values: Iterable[float]) -> list[tuple[float, float]]:
    """Return the Lorenz curve: shares of *values*, from the smallest on, and of their sum; from (0, 0) to (1, 1).

    Empty where the sum is zero.
    """
    ranked = sorted(values)
    total, sums = sum(ranked), 0.0
    curve = [(0.0, 0.0)]
    for position, value in enumerate(ranked, 1):
        sums += value
        curve.append((position / len(ranked), sums / total if total else 0.0))
    return curve if total else []


def shannon(weights: Sequence[float]) -> float | None:
    """Return the Shannon diversity (natural logarithm) of *weights*; None where their sum is zero."""
    total = sum(weights)
    if not total:
        return None
    return -sum(weight / total * math.log(weight / total) for weight in weights if weight) + 0.0


def effective_number(weights: Sequence[float]) -> float | None:
    """Return how many kinds of equal weight are as diverse as *weights*; None where their sum is zero."""
    diversity = shannon(weights)
    return None if diversity is None else math.exp(diversity)
