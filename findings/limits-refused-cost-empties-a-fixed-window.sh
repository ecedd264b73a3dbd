#!/bin/sh
# limits 5.8.0: in a fixed window a request that is refused for its cost uses up what was left.
#
# Expected: with 3 of 10 used, hit(cost=20) is refused and 7 are left, as with the moving and the sliding window.
# Seen:     FixedWindowRateLimiter adds the cost first and compares afterwards: nothing is left, and requests of cost
#           1 are refused until the window ends.
# Matters:  where exports or bulk requests cost more than a page, one click on a too large export locks the person out
#           of everything. Which strategy is configured decides, not the code that calls hit().
# Instead:  ask test(cost=...) before hit(cost=...), or use the moving or the sliding window.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q limits==5.8.0
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

LIMIT = parse("10 per day")


def left(strategy, ask):
    limiter = strategy(MemoryStorage())
    for _ in range(3):
        assert limiter.hit(LIMIT, "ada")
    assert not getattr(limiter, ask)(LIMIT, "ada", cost=20)
    return limiter.get_window_stats(LIMIT, "ada").remaining


fixed, moving, sliding = (
    left(strategy, "hit")
    for strategy in (FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter)
)
asked = left(FixedWindowRateLimiter, "test")
print(f"limits {version('limits')}: 3 of 10 used, cost 20 refused, expected 7 left; seen {fixed} in a fixed window,"
      f" {moving} in a moving one, {sliding} in a sliding one, {asked} in a fixed one after test()")
assert (fixed, moving, sliding, asked) == (0, 7, 7, 7)
PY
