"""The model of SCALE.md: by hand where it can be, and against the product's own planning."""

from datetime import timedelta
from pathlib import Path

import pytest

from ingest.planning.refresh_plan import PlanInputs
from tests.bench import __main__, scale_model
from tests.bench.scale_model import UNIT_COSTS, Installation, interval_days, needs, refresh_points

ROOT = Path(__file__).parents[2]


def test_the_page_has_the_tables_of_the_model():
    """`python -m tests.bench.scale_model` prints them."""
    page = (ROOT / "SCALE.md").read_text()
    for table in scale_model.tables().split("\n\n"):
        assert table in page


def test_every_unit_cost_is_measured_by_a_part_of_the_benchmarks():
    assert {cost.part for cost in UNIT_COSTS.values()} <= set(__main__.BENCHMARKS)


def test_small_accounts_cost_two_connections_each():
    """149 accounts without repositories: 298 connections, two queries of 149, a point each."""
    assert refresh_points(149, 0) == 2


def test_sizes_add_up_and_points_grow_with_the_accounts():
    assert scale_model.account_sizes(10_000, 1_000_000).sum() == pytest.approx(1_000_000, rel=0.01)
    assert refresh_points(1_000_000, 100_000_000) == pytest.approx(10 * refresh_points(100_000, 10_000_000))


def test_ten_times_the_points_buy_a_tenth_of_the_interval_but_no_less_than_an_hour():
    assert interval_days(10**6, 10**8, 5_000) == pytest.approx(10 * interval_days(10**6, 10**8, 50_000))
    assert interval_days(10, 1_000, 5_000) == 1 / 24


def test_changes_between_two_refreshes_are_one():
    """A tenth of 1,000 repositories changes in a day; of those refreshed every 10 days 1 - 1/e = 0.632 have changed."""
    daily = needs(Installation(1_000, 1_000, 0.001, changed_share=0.1))
    rarely = needs(Installation(1_000, 1_000, 10, changed_share=0.1))
    assert daily.changes_per_year == pytest.approx(365 * 100, rel=0.001)
    assert rarely.changes_per_year == pytest.approx(36.5 * 632.1, rel=0.001)


def test_needs_of_a_large_installation_by_hand(monkeypatch):
    """A million accounts a day, a million repositories without changes or pushes."""
    unit = {name: scale_model.UnitCost(1.0, "", "", "") for name in UNIT_COSTS}
    unit["worker"] = scale_model.UnitCost(0.0864, "", "", "")  # a million of them are a whole processor's day
    unit["capture"] = scale_model.UnitCost(100, "", "", "")
    monkeypatch.setattr(scale_model, "UNIT_COSTS", unit)
    found = needs(Installation(10**6, 10**6, 1.0, changed_share=0.0, pushed_share=0.0))
    assert found.captures_per_year == 365e6
    assert found.bytes_per_year == 36.5e9
    assert found.bytes_planned == 10**6 + 3 * 36.5e9
    assert found.shards == 8  # 109.5 GB in shards of 20 GB are 5.5, and the next power of two
    assert found.nodes == 1
    assert found.workers == 2  # one processor busy at 60 %
    assert found.plan_seconds == 1
    assert found.night_hours == pytest.approx(10**6 / 3_600)


@pytest.mark.parametrize("points_per_hour", [20, 100, 1_000])
def test_a_simulated_year_of_planning_is_what_the_model_expects(points_per_hour):
    """20,000 accounts with a token's points for a million, less than it needs, and more."""
    inputs = PlanInputs(timedelta(hours=6), points_per_hour, with_token=True)
    expected = scale_model.expected_year(20_000, 2_000_000, inputs)
    planned = scale_model.simulated_year(20_000, 2_000_000, inputs, days=120)
    assert planned.points_per_day == pytest.approx(expected.points_per_day, rel=0.2)
    assert planned.refreshes_per_day == pytest.approx(expected.refreshes_per_day, rel=0.2)
    assert planned.median_days == pytest.approx(expected.median_days, rel=0.2)
