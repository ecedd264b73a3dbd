"""What is kept for all readers: computed once, bounded in bytes, and found again by content alone."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some
from pandas import DataFrame

from core import shared_cache
from core.charts.theme import DARK, LIGHT
from core.shared_cache import ENTRY_BYTES, SharedCache, fingerprint, memoized

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def cache(monkeypatch):
    own = SharedCache()
    monkeypatch.setattr(shared_cache, "shared_cache", own)
    return own


def rows(**columns):
    values = {"stars": pd.array([1, None], "Int64"), "name": pd.array(["a", "b"], "string"), "trend": [[1, 2], None]}
    return DataFrame(values | columns)


def test_equal_rows_have_equal_fingerprints_whatever_their_query():
    asked_now, asked_before = rows(), rows()
    asked_now.attrs = {"sql": "SELECT 1", "values": {"now": NOON}}
    assert fingerprint(asked_now) == fingerprint(asked_before)
    assert fingerprint((asked_now, "stars", LIGHT)) == fingerprint((asked_before, "stars", LIGHT))
    assert asked_now.attrs["values"] == {"now": NOON}


def test_a_frame_has_the_same_fingerprint_after_somebody_has_read_it():
    # As a driver returns it: without the number of nulls, which Arrow counts when it is asked for.
    stars = pa.Array.from_buffers(pa.int64(), 3, pa.array([1, None, 3]).buffers())
    frame = DataFrame({"stars": pd.arrays.ArrowExtensionArray(pa.chunked_array([stars]))})
    before = fingerprint(frame)
    assert frame["stars"].astype("Float64").isna().sum() == 1
    assert fingerprint(frame) == before
    assert fingerprint(frame.iloc[1:]) != before
    assert fingerprint(frame.astype("int32[pyarrow]")) != before


@pytest.mark.parametrize(("dtype", "other"), [("Int64", "Int32"), ("Float64", "Int64"), ("boolean", "Int8")])
def test_a_frame_has_the_same_fingerprint_as_before_anybody_used_its_type(dtype, other):
    """All columns of a type share what pandas has found out about the type."""
    frame = DataFrame({"stars": pd.array([1, None, 0], dtype)})
    vars(frame["stars"].dtype).pop("_cache", None)  # as in a new process
    before = fingerprint(frame)
    assert frame["stars"].dtype.kind
    assert frame["stars"].dtype.numpy_dtype.kind
    assert fingerprint(frame) == before
    assert fingerprint(frame.astype(other)) != before


@pytest.mark.parametrize(
    "other",
    [
        rows(stars=pd.array([1, 2], "Int64")),
        rows(stars=pd.array([1, None], "Float64")),
        rows(trend=[[1], [2]]),
        rows().rename(columns={"name": "names"}),
        rows()[["name", "stars", "trend"]],
        rows().iloc[::-1],
        rows().head(1),
    ],
)
def test_other_rows_types_names_and_orders_have_other_fingerprints(other):
    assert fingerprint(rows()) != fingerprint(other)


@given(
    some.lists(some.none() | some.text(max_size=3), max_size=4),
    some.lists(some.none() | some.text(max_size=3), max_size=4),
)
def test_columns_of_text_have_equal_fingerprints_only_where_they_are_equal(one, other):
    """Text lies end to end in its buffers: "ab", "c" must not read like "a", "bc"."""
    found = [fingerprint(DataFrame({"name": pd.array(texts, "string")})) for texts in (one, other)]
    assert (found[0] == found[1]) == (one == other)


def test_values_of_other_types_have_other_fingerprints():
    values = [1, 1.0, "1", True, None, LIGHT, DARK, NOON, [1], (1,), {"a": 1}, {"b": 1}]
    assert len({fingerprint(value) for value in values}) == len(values)


computed = []


def count_rows(frame, factor):
    computed.append(factor)
    return len(frame) * factor


def test_equal_arguments_are_computed_once(cache):
    computed.clear()
    assert [memoized(count_rows, lambda _: 8, rows(), factor=2) for _ in range(3)] == [4, 4, 4]
    assert memoized(count_rows, lambda _: 8, rows().head(1), factor=2) == 2
    assert memoized(count_rows, lambda _: 8, rows(), factor=3) == 6
    assert computed == [2, 2, 3]
    assert (cache.hits, cache.misses) == (2, 3)
    assert cache.stored_bytes == 3 * (8 + ENTRY_BYTES)


def test_a_function_that_may_read_more_than_its_arguments_is_refused(cache):
    factor = 2
    with pytest.raises((AttributeError, pickle.PicklingError)):
        memoized(lambda number: number * factor, lambda _: 8, 3)


def test_all_that_is_kept_together_stays_within_the_limit():
    cache = SharedCache(max_bytes=100)
    for number in range(50):
        assert cache.get((number,), lambda number=number: number, lambda _: 30) == number
        assert cache.stored_bytes <= 100
    assert cache.get(("large",), lambda: "large", lambda _: 101) == "large"
    assert [cache.get((number,), lambda: "computed again", lambda _: 30) for number in (49, 48, 47)] == [49, 48, 47]


def test_an_error_reaches_all_who_wait_and_is_not_kept():
    cache, started, waiting = SharedCache(), threading.Event(), threading.Event()

    def fail():
        started.set()
        waiting.wait(60)
        raise ConnectionError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, ("key",), fail, lambda _: 1)
        started.wait(60)
        second = pool.submit(cache.get, ("key",), fail, lambda _: 1)
        waiting.set()
        for one in (first, second):
            with pytest.raises(ConnectionError):
                one.result()
    assert cache.get(("key",), lambda: 7, lambda _: 1) == 7


def test_a_size_that_cannot_be_computed_loses_no_answer():
    cache = SharedCache()

    def fail(_):
        raise TypeError

    with pytest.raises(TypeError):
        cache.get(("key",), lambda: 7, fail)
    assert cache.get(("key",), lambda: 7, lambda _: 1) == 7
