#!/bin/sh
# ruptures 1.1.10: with the defaults one clean step is reported as two changes, neither of them on its day.
#
# Expected: a series that is 0 for 32 days and 10 from then on has one break, at 32; jump is described as a coarser
#           grid, so at worst one break at 30 or 35.
# Seen:     Pelt and Binseg report breaks at 30 and at 35: since neither fits, the days between become a segment of
#           their own. BottomUp does the same.
# Matters:  "what happened on that day" names two days on which nothing happened, and the number of changes is wrong.
# Instead:  jump=1 with Pelt or Binseg (BottomUp still splits the step), or KernelCPD, which has no jump.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q ruptures==1.1.10 numpy==2.4.6
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import ruptures

stars = np.repeat([0.0, 10.0], [32, 28])


def breaks(search, **options):
    return [int(day) for day in search(**options).fit(stars).predict(pen=3)[:-1]]  # the last is the length


searches = (ruptures.Pelt, ruptures.Binseg, ruptures.BottomUp)
default = {search.__name__: breaks(search, model="l2") for search in searches}
fine = {search.__name__: breaks(search, model="l2", jump=1) for search in searches}
kernel = breaks(ruptures.KernelCPD, kernel="linear")
print(f"ruptures {version('ruptures')}: one step at 32, expected [32]; seen {default}, with jump=1 {fine},"
      f" KernelCPD {kernel}")
assert default == {"Pelt": [30, 35], "Binseg": [30, 35], "BottomUp": [30, 35]}
assert fine == {"Pelt": [32], "Binseg": [32], "BottomUp": [30, 33]}
assert kernel == [32]
PY
