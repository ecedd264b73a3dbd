#!/bin/sh
# univers 32.0.1: in an npm range, "1" is read as 1.0.0 alone.
#
# Expected: NpmVersionRange.from_native reads ranges as npm does. A version with parts missing stands for all that begin
#           with it: "1 || 2" is any 1.x or 2.x, "^0" is below 1.0.0, "<=1.2" has 1.2.5 and ">1" starts at 2.0.0.
# Seen:     the missing parts become zeros: vers:npm/1.0.0|2.0.0, <0.0.1, <=1.2.0 and >1.0.0. There is no error. With
#           an x or a tilde ("1.x", "~1") it comes out right.
# Matters:  people write dependencies like that in package.json. Asked which projects allow a vulnerable 1.5.0, "1 || 2"
#           and "<=1" answer no and ">1" yes, while whole versions and those with an x are right beside them.
# Instead:  node-semver for what comes from package.json.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q univers==32.0.1
npm install --silent --no-audit --no-fund --prefix "$tmp" semver@7.8.6
cd "$tmp"
cat > run.py <<'PY'
import json
import subprocess
from importlib.metadata import version

from univers.version_range import NpmVersionRange
from univers.versions import SemverVersion

ASKED = [["1 || 2", "1.5.0"], ["^0", "0.5.0"], ["<=1.2", "1.2.5"], [">1", "1.5.0"]]
WHOLE = [["1.x || 2.x", "1.5.0"], ["~1", "1.5.0"], ["^0.5.0", "0.5.0"], ["<1.3.0", "1.2.5"], [">=2.0.0", "1.5.0"]]
NODE = "const {satisfies} = require('semver'); console.log(JSON.stringify(%s.map(([r, v]) => satisfies(v, r))))"


def npm(pairs):
    run = subprocess.run(("node", "-e", NODE % json.dumps(pairs)), capture_output=True, check=True, text=True)
    return json.loads(run.stdout)


def univers(pairs):
    return [SemverVersion(asked) in NpmVersionRange.from_native(native) for native, asked in pairs]


ranges = [str(NpmVersionRange.from_native(native)) for native, _ in ASKED]
expected, seen = npm(ASKED), univers(ASKED)
print(f"univers {version('univers')}: is the version in the range, {ASKED}, expected as npm says {expected};"
      f" seen {seen}, ranges {ranges}; with whole versions or an x {univers(WHOLE)}")
assert ranges == ["vers:npm/1.0.0|2.0.0", "vers:npm/>=0.0.0|<0.0.1", "vers:npm/<=1.2.0", "vers:npm/>1.0.0"]
assert expected == [True, True, True, False]
assert seen == [False, False, False, True]
assert univers(WHOLE) == npm(WHOLE) == [True, True, True, True, False]
PY
"$tmp/venv/bin/python" run.py
