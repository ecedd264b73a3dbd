"""Selection of affordable accounts and batching by token, without a clock or a database."""

from hypothesis import given
from hypothesis import strategies as st

from core.budget.cost_model import INTERACTIVE_RESERVE
from ingest.planning.enqueue import PricedAccount, select_affordable
from ingest.planning.rate_budget import AvailableBudget

due_accounts = st.lists(
    st.builds(PricedAccount, st.integers(), st.floats(0.04, 200), st.sampled_from("abc")), max_size=60
).map(lambda many: [PricedAccount(number, one.cost, one.payer) for number, one in enumerate(many)])
budgets = st.builds(
    lambda limit, left, promised: AvailableBudget(limit, round(limit * left), promised),
    st.integers(60, 15_000),
    st.floats(0, 1),
    st.floats(0, 10_000),
)


@given(due_accounts, st.dictionaries(st.sampled_from("ab"), budgets))
def test_no_more_is_queued_than_the_budget_allows(due, available):
    chosen = select_affordable(due, available)
    for payer, one in available.items():
        mine = [each.cost for each in chosen if each.payer == payer]
        fits = sum(mine) <= max(one.available, 0)
        # A look dearer than a whole hour: it goes alone, when the hour is still whole.
        dear = len(mine) == 1 and not one.queued_cost and one.remaining >= 0.9 * one.limit
        assert not mine or fits or dear
    assert not [each for each in chosen if each.payer not in available]


@given(due_accounts, budgets)
def test_a_full_budget_always_queues_something(due, available):
    mine = [one for one in due if one.payer == "a"]
    whole = AvailableBudget(available.limit, available.limit)
    assert bool(select_affordable(mine, {"a": whole})) is bool(mine)


def test_the_highest_priorities_come_first_and_the_rest_waits():
    due = [PricedAccount(number, 2.0, "a") for number in range(100)]
    chosen = select_affordable(due, {"a": AvailableBudget(60, 60)})
    assert [one.account_id for one in chosen] == list(range(len(chosen)))
    assert 0 < len(chosen) < 60 * (1 - INTERACTIVE_RESERVE) / 2


def test_a_backlog_is_spread_over_minutes():
    """After an outage all accounts are due: no minute queues more than its share of the hour."""
    due = [PricedAccount(number, 0.04, "a") for number in range(100_000)]
    assert len(select_affordable(due, {"a": AvailableBudget(5000, 5000)})) == 250 / 0.04


def test_the_reserve_is_kept_for_user_requests():
    assert select_affordable([PricedAccount(1, 1.0, "a")], {"a": AvailableBudget(5000, 250)}) == []
