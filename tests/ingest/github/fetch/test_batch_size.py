"""The adaptive batch size."""

from ingest.github.fetch.batch_size import GROW_AFTER_SUCCESSES, AdaptiveBatchSize, split_in_halves


def test_it_halves_after_a_failure_and_grows_after_several_successes():
    size = AdaptiveBatchSize(100)
    size.shrink(100)
    assert size.current == 50
    for _ in range(GROW_AFTER_SUCCESSES):
        size.record_success()
    assert size.current == 75
    for _ in range(2 * GROW_AFTER_SUCCESSES):
        size.record_success()
    assert size.current == 100


def test_it_never_falls_below_one():
    size = AdaptiveBatchSize(3)
    for _ in range(5):
        size.shrink(size.current)
    assert size.current == 1


def test_halves_hold_all_items_and_none_is_empty():
    assert split_in_halves([1, 2, 3]) == [[1, 2], [3]]
    assert split_in_halves([1]) == [[1]]
    assert split_in_halves([]) == []
