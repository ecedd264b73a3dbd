"""Adaptive batch size: halved when a batch was too large, grown slowly while batches succeed. No I/O."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
GROW_AFTER_SUCCESSES = 4


class AdaptiveBatchSize:
    """A batch size between 1 and *maximum*, with which it starts."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.current = maximum
        self._successes = 0

    def shrink(self, failed_size: int) -> None:
        """Halve after a batch of *failed_size* was too large."""
        self.current = max(1, min(self.current, failed_size // 2))
        self._successes = 0

    def record_success(self) -> None:
        """Grow by half after several successes in a row."""
        self._successes += 1
        if self._successes >= GROW_AFTER_SUCCESSES and self.current < self.maximum:
            self.current = min(self.maximum, self.current + max(1, self.current // 2))
            self._successes = 0


def split_in_halves(batch: Sequence[T]) -> list[Sequence[T]]:
    """Cut a batch in two; a batch of one stays whole, an empty one yields none."""
    middle = (len(batch) + 1) // 2
    return [half for half in (batch[:middle], batch[middle:]) if half]
