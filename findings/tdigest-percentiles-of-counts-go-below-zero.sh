#!/bin/sh
# tdigest 0.5.2.2 (PyPI): percentiles of counts lie far from every value that was counted, and below all of them.
#
# Expected: of 100 pull requests of which 95 have 1 comment and 5 have 100, the 25th, 50th and 90th percentiles are 1,
#           or near it: a t-digest is an estimate.
# Seen:     -43.55, 5.95 and 85.15. Equal values share one centroid, however many they are, and percentile() draws a
#           line through its middle and the next one's: values in between that nobody has, and below it without an end.
# Matters:  comments, reviews and stars are mostly 0 or 1 with a few large ones. "Half of the pull requests have up to 6
#           comments" is wrong, and looks right. On spread values, such as the README's random numbers, it is right.
# Instead:  an exact percentile, or ddsketch, which is within 1 percent of a value that was counted.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q tdigest==0.5.2.2 ddsketch==3.0.1
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version

from ddsketch import DDSketch
from tdigest import TDigest

PERCENTS = (25, 50, 90)

digest, sketch = TDigest(), DDSketch()
for comments in [1] * 95 + [100] * 5:
    digest.update(comments)
    sketch.add(comments)
seen = [round(digest.percentile(percent), 2) for percent in PERCENTS]
sketched = [round(sketch.get_quantile_value(percent / 100), 2) for percent in PERCENTS]
print(f"tdigest {version('tdigest')}: percentiles {PERCENTS} of 95 ones and 5 hundreds, expected [1, 1, 1];"
      f" seen {seen}, with ddsketch {version('ddsketch')} {sketched}")
assert seen == [-43.55, 5.95, 85.15]
assert sketched == [0.99, 0.99, 0.99]
PY
