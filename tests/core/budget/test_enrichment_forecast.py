"""How kinds of facts share a budget, how long each takes, and what each cost."""

from datetime import timedelta
from math import inf, isclose

from hypothesis import given
from hypothesis import strategies as st

from core.budget.enrichment_forecast import Work, enrichment_per_hour, forecast_enrichment, hours_until_done
from core.budget.rate_limits import RateBudgetBucket
from tests.seed_data import utc

RESETS_AT = utc("2026-11-23 13:00")
works = st.lists(
    st.builds(Work, st.sampled_from("abcdef"), st.floats(0, 10_000), st.integers(1, 9)), unique_by=lambda one: one.name
)


def row(kind, **values):
    given_values = {"subjects": 100, "waiting": 0, "done": 0, "requests": 0, "points": 0, "not_modified": 0}
    return {"kind": kind, "measured_at": RESETS_AT} | given_values | values


def test_by_hand_what_a_kind_no_longer_needs_goes_to_the_others():
    """100 an hour: a (weight 3) has 75 and is done after one hour; b (weight 1) has 25 then, and 100 from then on.

    b needs 225: 25 in the first hour, 200 in two more.
    """
    assert hours_until_done([Work("a", 75, 3), Work("b", 225, 1)], 100) == {"a": 1.0, "b": 3.0}


def test_without_a_budget_only_what_has_no_work_is_done():
    assert hours_until_done([Work("a", 0, 3), Work("b", 5, 1)], 0) == {"a": 0.0, "b": inf}
    assert hours_until_done([], 0) == {}


@given(works, st.floats(1, 5_000))
def test_the_last_is_done_when_all_work_is_and_nobody_before_its_own(work, per_hour):
    hours = hours_until_done(work, per_hour)
    total = sum(one.cost for one in work) / per_hour
    assert isclose(max(hours.values(), default=0.0), total, rel_tol=1e-6, abs_tol=1e-6)
    for one in work:
        share = one.weight / sum(each.weight for each in work)
        assert one.cost / per_hour - 1e-6 <= hours[one.name] <= one.cost / (share * per_hour) + 1e-6


@given(works, st.floats(1, 5_000))
def test_it_agrees_with_small_steps(work, per_hour):
    """A slow version hands the budget out in steps of a five-hundredth of the whole time."""
    hours, total = hours_until_done(work, per_hour), sum(one.cost for one in work) / per_hour
    step, left, done = total / 500, {one.name: one.cost for one in work}, dict[str, float]()
    for number in range(502 if total else 0):
        weights = sum(one.weight for one in work if left[one.name] > 1e-9)
        for one in work:
            if left[one.name] > 1e-9:
                left[one.name] -= step * per_hour * one.weight / weights
                done[one.name] = (number + 1) * step
    assert all(abs(hours[name] - at) <= (len(work) + 1) * step * 9 for name, at in done.items())


def test_by_hand_cost_share_and_time_of_each_kind():
    """Star history: 300 requests, 100 of them 304, for 100 repositories: 200, two each, four fifths of REST's 250.

    It waits for 300, which cost 600; releases wait for nothing, so star history has all 300 an hour: two hours.
    """
    rows = [
        row("star_history", waiting=300, done=100, requests=300, not_modified=100),
        row("releases", done=50, requests=50),
        row("extras", waiting=1000, subjects=2000),
    ]
    stars, releases, extras = forecast_enrichment(rows, {"core": 300, "graphql": 5}, with_token=True)
    assert (stars.per_day, stars.share, stars.per_subject) == (200, 0.8, 2.0)
    assert stars.until_read == timedelta(hours=2)
    assert (releases.per_day, releases.share, releases.until_read) == (50, 0.2, timedelta())
    assert (extras.per_day, extras.share, extras.unit, extras.until_read) == (0, None, "point", timedelta(hours=2))


def test_without_a_token_a_304_is_charged():
    (stars,) = forecast_enrichment(
        [row("star_history", done=10, requests=10, not_modified=10)], {"core": 1, "graphql": 0}, with_token=False
    )
    assert stars.per_day == 10


def test_a_kind_that_was_not_counted_has_no_time():
    nothing = float("nan")
    (stars,) = forecast_enrichment(
        [row("star_history", subjects=nothing, waiting=nothing)], {"core": 1, "graphql": 0}, with_token=True
    )
    assert (stars.subjects, stars.waiting, stars.until_read) == (None, None, None)


def test_a_kind_of_another_version_is_left_out():
    assert forecast_enrichment([row("no longer collected")], {"core": 1, "graphql": 0}, with_token=True) == []


def test_enrichment_has_what_its_reserve_and_the_refreshes_leave():
    """Two owners: 10,000, of which 4,000 are reserved and refreshes take 1,500."""
    buckets = [RateBudgetBucket(owner, "graphql", 5000, 100, RESETS_AT) for owner in ("ada", "bob")]
    assert enrichment_per_hour(buckets, "graphql", 1500, with_token=True) == 4500
    assert enrichment_per_hour(buckets, "graphql", 9000, with_token=True) == 0
    assert enrichment_per_hour([], "core", 0, with_token=True) == 3000
    assert isclose(enrichment_per_hour([], "core", 0, with_token=False), 18)
    assert enrichment_per_hour([], "graphql", 0, with_token=False) == 0
