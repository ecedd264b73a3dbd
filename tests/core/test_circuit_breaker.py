"""Tests of the circuit breaker."""

import pytest

from core.circuit_breaker import RETRY_INTERVAL_SECONDS, WARN_INTERVAL_SECONDS, CircuitBreaker


class ManualClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return ManualClock()


def test_a_failure_refuses_requests_and_then_lets_one_probe_through_per_interval(clock):
    breaker = CircuitBreaker(clock)
    assert breaker.allow_request()
    breaker.record_failure()
    assert not breaker.allow_request()
    for _ in range(2):
        clock.now += RETRY_INTERVAL_SECONDS
        assert [breaker.allow_request() for _ in range(3)] == [True, False, False]


def test_a_success_closes_it_and_reports_that_it_was_open(clock):
    breaker = CircuitBreaker(clock)
    assert not breaker.record_success()
    breaker.record_failure()
    assert breaker.record_success()
    assert breaker.allow_request()
    assert not breaker.is_open


def test_only_failures_in_a_row_reach_the_threshold(clock):
    breaker = CircuitBreaker(clock, failure_threshold=3)
    for outcome in ("failure", "failure", "success", "failure", "failure"):
        breaker.record_failure() if outcome == "failure" else breaker.record_success()
    assert not breaker.is_open
    assert breaker.allow_request()
    error = ValueError("the last one")
    breaker.record_failure(error)
    assert breaker.is_open
    assert breaker.last_error is error


def test_after_the_interval_is_open_lets_all_requests_through_until_one_fails(clock):
    breaker = CircuitBreaker(clock, retry_interval_seconds=10)
    breaker.record_failure()
    clock.now += 10
    assert [breaker.is_open for _ in range(3)] == [False, False, False]
    breaker.record_failure()
    assert breaker.is_open


def test_a_warning_is_due_once_a_minute_and_not_below_the_threshold(clock):
    breaker = CircuitBreaker(clock, failure_threshold=2)
    assert [breaker.record_failure() for _ in range(4)] == [False, True, False, False]
    clock.now += WARN_INTERVAL_SECONDS
    assert breaker.record_failure()
