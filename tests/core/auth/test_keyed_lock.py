"""The keyed lock serializes callers of one key, runs different keys in parallel and leaves no entries behind."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.auth.keyed_lock import KeyedLock


def test_one_caller_at_a_time_holds_a_key() -> None:
    turns, inside, most = KeyedLock(), 0, 0

    def go(_: int) -> None:
        nonlocal inside, most
        with turns.hold("ada"):
            inside += 1
            most = max(most, inside)
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(go, range(200)))
    assert most == 1
    assert len(turns) == 0


def test_different_keys_do_not_wait_for_each_other() -> None:
    turns, both_inside = KeyedLock(), Barrier(2, timeout=60)

    def go(key: str) -> None:
        with turns.hold(key):
            both_inside.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(go, ["ada", "bob"]))


def test_an_exception_releases_the_key() -> None:
    turns = KeyedLock()
    with pytest.raises(ValueError, match="wrong"), turns.hold("ada"):
        raise ValueError("wrong")
    with turns.hold("ada"):
        assert len(turns) == 1
    assert len(turns) == 0
