"""Kinds of facts share a rate limit by weight: none waits for ever, people come first, reserves are kept."""

import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.queue.enrichment import ANONYMOUS_RESERVE, FACT_KINDS, IDLE_RESERVE, RESERVE, RESOURCES
from ingest.planning.fair_queue import HALF_LIFE, PEOPLE_SHARE, HourlyLimit, Spending, Turn, turns

REST_KINDS = [kind for kind in FACT_KINDS.values() if kind.resource == "core"]
IDLE = replace(FACT_KINDS["traffic"], name="idle", weight=1, is_idle=True)
FULL = HourlyLimit(5_000, 5_000)
TURN = timedelta(minutes=1)
DECAY = 0.5 ** (TURN / HALF_LIFE)
MAX_COST = 2 * FULL.turn_cost  # the last subject of a turn may take more than is left of it


class Simulation:
    """One rate limit of one token, a turn a minute; what is due is given for each turn."""

    def __init__(self, kinds):
        self.kinds, self.by_kind, self.for_people = kinds, {}, 0.0

    @property
    def spending(self):
        return Spending(dict(self.by_kind), self.for_people)

    def take(self, due, cost, hourly=FULL, opened=frozenset()):
        """Take the first turn with something due and return it; None: there is none."""
        self.by_kind = {name: spent * DECAY for name, spent in self.by_kind.items()}
        self.for_people *= DECAY
        for turn in turns(self.kinds, self.spending, hourly):
            if turn.kind.name in (opened if turn.for_people else due):
                self.by_kind[turn.kind.name] = self.by_kind.get(turn.kind.name, 0.0) + cost
                self.for_people += cost if turn.for_people else 0.0
                return turn
        return None


costs = st.lists(st.integers(1, MAX_COST), min_size=50, max_size=300)
some_kinds = st.lists(st.sampled_from([*REST_KINDS, IDLE]), min_size=1, unique_by=lambda kind: kind.name)


def test_by_hand_the_one_that_spent_least_for_its_weight_is_next():
    """50 / 5 = 10 for star history, 24 / 3 = 8 for releases, 11 / 1 for traffic."""
    kinds = [FACT_KINDS[name] for name in ("star_history", "releases", "traffic")]
    spending = Spending({"star_history": 50.0, "releases": 24.0, "traffic": 11.0})
    order = [turn.kind.name for turn in turns(kinds, spending, FULL) if not turn.for_people]
    assert order == ["releases", "star_history", "traffic"]


@given(some_kinds, costs)
def test_what_always_due_kinds_spent_differs_by_no_more_than_a_turn_for_their_weight(kinds, costs):
    """So their shares are those of their weights, whatever single turns cost."""
    simulation, due = Simulation(kinds), {kind.name for kind in kinds}
    lightest = min(kind.weight for kind in kinds)
    for cost in costs:
        assert simulation.take(due, cost) is not None
        spent = [simulation.by_kind.get(kind.name, 0.0) / kind.weight for kind in kinds]
        assert max(spent) - min(spent) <= MAX_COST / lightest + 1e-6


def test_over_a_day_shares_follow_the_weights():
    simulation, taken = Simulation(REST_KINDS), Counter()
    for _ in range(24 * 60):
        taken[simulation.take({kind.name for kind in REST_KINDS}, FULL.turn_cost).kind.name] += 1
    weights = sum(kind.weight for kind in REST_KINDS)
    for kind in REST_KINDS:
        assert math.isclose(taken[kind.name] / (24 * 60), kind.weight / weights, abs_tol=0.01)


@given(some_kinds, st.data())
def test_no_kind_with_something_due_waits_for_ever(kinds, data):
    """Whatever was due before and of whatever size: a kind that is due has a turn before the others did all they can.

    Its past is forgotten with the half-life, and what others spend of the limit is at most all of it: the longest wait
    is until its own spending has decayed to its share.
    """
    simulation, names = Simulation(kinds), [kind.name for kind in kinds]
    for due in data.draw(st.lists(st.sets(st.sampled_from(names)), max_size=100)):
        simulation.take(due, data.draw(st.integers(1, MAX_COST)))
    waiting = data.draw(st.sampled_from(kinds))
    weights = sum(kind.weight for kind in kinds)
    longest = len(kinds) * 3 + math.ceil(HALF_LIFE / TURN * math.log2(2 * weights / waiting.weight))
    for _ in range(longest):
        if simulation.take(set(names), FULL.turn_cost).kind.name == waiting.name:
            return
    raise AssertionError(f"{waiting.name} had no turn in {longest}")


def test_a_kind_that_had_nothing_to_do_does_not_claim_the_past():
    """After a day of star history alone, releases are first for about an hour and a half of turns, not for a day."""
    simulation = Simulation([FACT_KINDS["star_history"], FACT_KINDS["releases"]])
    for _ in range(24 * 60):
        simulation.take({"star_history"}, FULL.turn_cost)
    wait = 0
    while simulation.take({"star_history", "releases"}, FULL.turn_cost).kind.name == "releases":
        wait += 1
    assert wait <= HALF_LIFE / TURN


@given(some_kinds, costs, st.data())
def test_what_somebody_opened_comes_first_and_leaves_a_quarter(kinds, costs, data):
    simulation, names = Simulation(kinds), [kind.name for kind in kinds]
    opened = data.draw(st.sets(st.sampled_from(names), min_size=1))
    first = simulation.take(set(names), costs[0], opened=opened)
    assert first.for_people
    assert first.kind.name in opened
    for cost in costs[1:]:
        simulation.take(set(names), cost, opened=opened)
        assert simulation.for_people <= PEOPLE_SHARE * simulation.spending.total + MAX_COST


def test_what_somebody_opened_may_take_everything_while_nothing_else_is_due():
    simulation = Simulation(REST_KINDS)
    for _ in range(100):
        assert simulation.take(set(), 10, opened={"traffic"}).for_people


@given(st.integers(0, 20_000), st.integers(1, 20_000), st.booleans(), some_kinds)
def test_no_turn_goes_below_the_reserve(remaining, limit, is_anonymous, kinds):
    remaining = min(remaining, limit)
    for turn in turns(kinds, Spending(), HourlyLimit(limit, remaining, is_anonymous)):
        reserve = max(IDLE_RESERVE if turn.kind.is_idle else RESERVE, ANONYMOUS_RESERVE if is_anonymous else 0)
        assert 0 < turn.max_cost <= remaining - round(limit * reserve)
        assert turn.max_cost <= max(1, round(limit / 50))


def test_all_but_idle_kinds_leave_the_same_reserve():
    """A kind with a smaller reserve would take what the others may not touch, and they would never have a turn."""
    for is_anonymous in (False, True):
        assert (
            len({kind.reserve_for(is_anonymous=is_anonymous) for kind in FACT_KINDS.values() if not kind.is_idle}) == 1
        )


def test_an_idle_kind_is_served_after_each_reset_and_stops_first():
    """Other kinds take the hour's limit down to two fifths; the idle one only while three quarters are left."""
    kinds, names = [*REST_KINDS, IDLE], {kind.name for kind in [*REST_KINDS, IDLE]}
    simulation, served = Simulation(kinds), Counter()
    for minute in range(24 * 60):
        if minute % 60 == 0:
            hourly = FULL
        turn = simulation.take(names, FULL.turn_cost, hourly)
        if turn is None:
            continue
        if turn.kind is IDLE:
            assert hourly.remaining > IDLE_RESERVE * hourly.limit
            served[minute // 60] += 1
        hourly = HourlyLimit(hourly.limit, hourly.remaining - turn.max_cost)
        assert hourly.remaining >= RESERVE * hourly.limit
    assert sum(served.values()) >= 12


def test_a_turn_without_a_token_is_one_request():
    """An hour has 60, of which 42 are reserved: eighteen turns of one request."""
    assert [turn.max_cost for turn in turns(REST_KINDS, Spending(), HourlyLimit(60, 60, is_anonymous=True))] == [1] * 12
    assert list(turns(REST_KINDS, Spending(), HourlyLimit(60, 42, is_anonymous=True))) == []


def test_a_turn_asks_for_as_many_subjects_as_its_cost_allows():
    """100 points: 100 users, or 10,000 repositories of which one job takes a thousand."""
    assert Turn(FACT_KINDS["contributions"], False, 100).max_subjects == 100
    assert Turn(FACT_KINDS["extras"], False, 100).max_subjects == 1000
    assert Turn(FACT_KINDS["extras"], False, 3).max_subjects == 300


def test_each_rate_limit_has_kinds_with_weight():
    assert {kind.resource for kind in FACT_KINDS.values()} == set(RESOURCES)
    assert all(kind.weight > 0 for kind in FACT_KINDS.values())
