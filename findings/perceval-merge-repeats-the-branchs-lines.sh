#!/bin/sh
# perceval 1.6.1: the Git backend counts the lines of a merged branch twice.
#
# Expected: the lines added over all commits add up to what was written; a merge without conflicts adds nothing.
# Seen:     the item of the merge lists the branch's files once more, with all of their lines as added.
# Matters:  lines for each author or month are up to doubled where work is merged with merge commits, and whoever
#           merges is credited with everybody's work. Projects that squash are counted rightly, so they do not
#           compare.
# Instead:  leave out items whose data has "Merge" when adding up lines.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q perceval==1.6.1
export HOME="$tmp" GIT_CONFIG_NOSYSTEM=1
git init -q -b main "$tmp/repository"
cd "$tmp/repository"
git config user.name Ada
git config user.email ada@example.org
seq 1 > first && git add . && git commit -q -m first
git checkout -q -b branch
seq 100 > hundred && git add . && git commit -q -m hundred
git checkout -q main
seq 1 > second && git add . && git commit -q -m second
git merge -q --no-ff -m merge branch
"$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
from importlib.metadata import version

from perceval.backends.core.git import Git

commits = [item["data"] for item in Git(f"{sys.argv[1]}/repository", f"{sys.argv[1]}/clone").fetch()]
added = {commit["message"]: sum(int(file["added"]) for file in commit["files"]) for commit in commits}
plain = sum(added[commit["message"]] for commit in commits if "Merge" not in commit)
print(f"perceval {version('perceval')}: 102 lines written, expected 102 added; seen {sum(added.values())} ({added}),"
      f" without the merge {plain}")
assert added == {"first": 1, "hundred": 100, "second": 1, "merge": 100}
assert plain == 102
PY
