#!/bin/sh
# pytest-xdist 3.8.0 with pytest 9.2.0: --dist loadgroup knows no groups any more.
#
# Expected: tests marked xdist_group("db") all run in one worker, as they do with pytest 9.1.1.
# Seen:     they are spread over the workers, with no warning. xdist writes the group into a private attribute of the
#           test (_nodeid), from which pytest 9.2 no longer derives the test's id.
# Matters:  a group is what keeps one server, one browser or one file to one worker. Tests then fail by chance, or
#           every worker starts servers of its own and the suite is merely slower.
# Instead:  stay below pytest 9.2 until xdist knows it, or guard what is shared with a lock that works between
#           processes.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
mkdir "$tmp/tests"
cat > "$tmp/tests/test_group.py" <<'PY'
import pathlib

import pytest


@pytest.mark.xdist_group("db")
@pytest.mark.parametrize("number", range(8))
def test_where(number, worker_id):
    pathlib.Path(f"{number}.worker").write_text(worker_id)
PY
workers() {
    "$tmp/venv/bin/pip" install -q "pytest==$1" pytest-xdist==3.8.0
    (
        cd "$tmp/tests"
        rm -f ./*.worker
        "$tmp/venv/bin/python" -m pytest -q -p no:cacheprovider -n 2 --dist loadgroup > "$tmp/log" || {
            cat "$tmp/log" >&2
            exit 1
        }
        for file in ./*.worker; do cat "$file"; echo; done | sort -u | wc -l | tr -d ' '
    )
}
before=$(workers 9.1.1)
after=$(workers 9.2.0)
echo "pytest-xdist 3.8.0, one group of 8 tests, 2 workers: expected 1 worker;" \
    "seen $before with pytest 9.1.1, $after with pytest 9.2.0"
[ "$before" = 1 ]
[ "$after" = 2 ]
