"""Chance that repeats itself: the same seed and name always give the same draws, in any process."""

from hashlib import blake2b
from random import Random


def random_generator(seed: int, *name: object) -> Random:
    """Return the generator that belongs to *name* in the world of *seed*."""
    digest = blake2b(repr((seed, *name)).encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311  (nothing secret is drawn here)


def hash_fraction(a: int, b: int) -> float:
    """Mix two integers into a number from 0 up to 1. Cheap: asked for at every count at every moment."""
    mixed = (a * 0x9E3779B97F4A7C15 + b * 0xC2B2AE3D27D4EB4F) & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 29
    mixed = (mixed * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return ((mixed >> 32) & 0xFFFFFFFF) / 4294967296
