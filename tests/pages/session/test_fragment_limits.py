"""Runs of fragments count against the limit of page loads, unless they are due."""

from contextvars import copy_context
from itertools import pairwise
from types import SimpleNamespace

import pytest
import streamlit as st
from hypothesis import given, strategies
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext, ThreadState

from core.auth.identity import Identity
from core.errors import RateLimitExceeded
from core.ratelimit import limiter, storage
from core.settings import settings
from pages.session import fragment_limits

ADA = Identity(7, "ada", "analyst")


@pytest.fixture
def running(monkeypatch):
    """A fragment that the browser runs, `running.fragments` at once; 20 page loads are allowed."""
    counts = storage.memory_window()
    counting = limiter.Limiter(lambda: counts, lambda: counts)
    monkeypatch.setattr(limiter, "limiter", lambda: counting)
    monkeypatch.setenv("LIMIT_PAGES", "20/hour")
    settings.cache_clear()
    context = SimpleNamespace(fragment_ids_this_run=["f1"])
    monkeypatch.setattr(fragment_limits, "get_script_run_ctx", lambda **_: context)
    monkeypatch.setattr(fragment_limits, "current_fragment_id", lambda: context.fragment_ids_this_run[0])
    monkeypatch.setattr(st, "session_state", {})
    return context


def left():
    return limiter.peek("pages", str(ADA.person_id)).remaining


def test_a_flood_of_runs_is_refused(running):
    """600 runs within 28 s: those of a fragment that is due every 2 s are free 28 times at most."""
    refused = 0
    for number in range(600):
        try:
            fragment_limits.count_run(ADA, 2.0, lambda at=number * 28 / 600: at)
        except RateLimitExceeded:
            refused += 1
    assert left() == 0
    assert 600 - 20 - 28 <= refused < 600


def test_runs_on_their_schedule_are_free_for_each_fragment(running):
    for second in range(0, 600, 5):
        for fragment in ("f1", "f2"):
            running.fragment_ids_this_run = [fragment]
            fragment_limits.count_run(ADA, 5.0, lambda at=second: float(at))
    assert left() == 20


def test_clicks_in_a_fragment_without_a_schedule_count(running):
    for _ in range(20):
        fragment_limits.count_run(ADA, None)
    with pytest.raises(RateLimitExceeded, match="You have loaded 20 pages"):
        fragment_limits.count_run(ADA, None)


@pytest.mark.parametrize("fragments", [None, []])
def test_a_run_with_its_page_is_counted_by_the_page(running, fragments):
    running.fragment_ids_this_run = fragments
    fragment_limits.count_run(ADA, None)
    assert left() == 20


@given(strategies.lists(strategies.floats(0, 100, allow_nan=False), max_size=60), strategies.sampled_from([0.7, 2, 5]))
def test_free_runs_are_at_least_half_an_interval_apart(times, interval):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "session_state", {})
        free = [now for now in sorted(times) if fragment_limits.is_due("f1", interval, now)]
    assert all(later - earlier >= interval / 2 for earlier, later in pairwise(free))
    assert bool(free) == bool(times)


def test_streamlit_names_the_fragment_that_runs():
    def names():
        ThreadState.initialize()
        outside = fragment_limits.current_fragment_id()
        with ThreadState.scoped(fragment_id="f1"):
            return outside, fragment_limits.current_fragment_id()

    assert copy_context().run(names) == ("", "f1")
    assert "fragment_ids_this_run" in ScriptRunContext.__annotations__
