#!/bin/sh
# pymannkendall 1.4.3: three of its trend tests find no trend in a straight line.
#
# Expected: a count that grows by 3 in each of 30 weeks has a trend, the clearest one there is.
# Seen:     the tests for series that depend on their past take the trend out first and look at what is left. Of a
#           straight line nothing is left, its correlation is 0/0 (numpy warns), and hamed_rao_modification_test and
#           yue_wang_modification_test answer "no trend" with p=nan, trend_free_pre_whitening_modification_test "no
#           trend" with p=1, beside the right slope of 3. original_test says "increasing", and so do all of them once a
#           single week differs by one.
# Matters:  totals that grow at a fixed pace are common (a weekly release, a bot's commits, a quota that is always used
#           up), and a page that shows the trend only if the test found one shows nothing for the steadiest.
# Instead:  ask original_test as well where p is nan, or where Tau is 0 beside a slope.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q pymannkendall==1.4.3 numpy==2.4.6 scipy==1.17.1
"$tmp/venv/bin/python" -W ignore - <<'PY'
import math
from importlib.metadata import version

import pymannkendall

line = [3 * week for week in range(30)]
bent = [*line[:-1], line[-1] + 1]
TESTS = (
    "original_test",
    "hamed_rao_modification_test",
    "yue_wang_modification_test",
    "trend_free_pre_whitening_modification_test",
)


def trends(series):
    found = [getattr(pymannkendall, test)(series) for test in TESTS]
    assert {round(float(test.slope), 9) for test in found} == {3.0}
    return [test.trend for test in found], [float(test.p) for test in found]


(seen, p), (one_off, _) = trends(line), trends(bent)
print(f"pymannkendall {version('pymannkendall')}: 30 weeks of +3, expected four times increasing; seen"
      f" {dict(zip(TESTS, zip(seen, p)))}, with one week off by one {one_off}")
assert seen == ["increasing", "no trend", "no trend", "no trend"]
assert p[0] < 0.001 and math.isnan(p[1]) and math.isnan(p[2]) and p[3] == 1
assert one_off == ["increasing"] * 4
PY
