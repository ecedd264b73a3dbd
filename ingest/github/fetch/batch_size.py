"""Pure: how much to ask at once. Half as much when that was too much, slowly more again when it works."""

GROW_AFTER_SUCCESSES = 4


class AdaptiveBatchSize:
    """A batch size between 1 and *most*."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = most
        self._successes = 0

    def shrink(self, asked: int) -> None:
        """*asked* at once was too much."""
        self.now = max(1, min(self.now, asked // 2))
        self._successes = 0

    def record_success(self) -> None:
        self._successes += 1
        if self._successes >= GROW_AFTER_SUCCESSES and self.now < self.most:
            self.now = min(self.most, self.now + max(1, self.now // 2))
            self._successes = 0


def split_in_halves(batch: list) -> list[list]:  # type: ignore[type-arg]
    """Cut a batch in two; one of one stays."""
    middle = (len(batch) + 1) // 2
    return [half for half in (batch[:middle], batch[middle:]) if half]
