"""Seeded random numbers: the same seed and name give the same draws in any process."""

from hashlib import blake2b
from random import Random


def random_generator(seed: int, *name: object) -> Random:
    """Return the generator of *name* for *seed*."""
    digest = blake2b(repr((seed, *name)).encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311  (nothing secret is drawn here)


def hash_fraction(a: int, b: int) -> float:
    """Hash two integers to a number from 0 up to 1. Cheap, since every count calls it."""
    mixed = (a * 0x9E3779B97F4A7C15 + b * 0xC2B2AE3D27D4EB4F) & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 29
    mixed = (mixed * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return ((mixed >> 32) & 0xFFFFFFFF) / 4294967296
