#!/bin/sh
# dulwich 1.2.21: annotate, its blame, gives lines that a branch brought to whoever merged it.
#
# Expected: each line has the commit that wrote it, as in git blame; a merge without conflicts wrote none.
# Seen:     where both sides changed a file, porcelain.annotate gives one side's lines to the merge commit: it lays all
#           commits in one row by date, so that the side that comes first is taken away by the other and comes back
#           with the merge.
# Matters:  who knows the code, and on how few people it depends, is read from blame. In projects that merge with merge
#           commits whoever merges owns what others wrote; those that squash come out right, so they do not compare.
# Instead:  git blame --line-porcelain. To see how much it is: count the lines whose commit has two parents.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q dulwich==1.2.21
export HOME="$tmp" GIT_CONFIG_NOSYSTEM=1
git init -q -b main "$tmp/repository"
cd "$tmp/repository"
as() {
    export GIT_AUTHOR_NAME="$1" GIT_AUTHOR_EMAIL="$1@example.org" GIT_AUTHOR_DATE="2026-01-0$2T12:00:00Z"
    export GIT_COMMITTER_NAME="$1" GIT_COMMITTER_EMAIL="$1@example.org" GIT_COMMITTER_DATE="2026-01-0$2T12:00:00Z"
}
seq 10 > lines && git add . && as ada 1 && git commit -q -m ten
git checkout -q -b branch
seq 110 > lines && as bob 2 && git commit -q -a -m hundred
git checkout -q main
seq 0 10 > lines && as cyd 3 && git commit -q -a -m one
as dan 4 && git merge -q --no-ff -m merge branch > "$tmp/merge"
"$tmp/venv/bin/python" - <<'PY'
import re
import subprocess
from collections import Counter
from importlib.metadata import version

from dulwich import porcelain

blame = subprocess.run(("git", "blame", "--line-porcelain", "lines"), capture_output=True, check=True, text=True)
git = Counter(re.findall(r"^author (.+)$", blame.stdout, re.MULTILINE))
annotated = Counter(commit.author.split()[0].decode() for (commit, _), _ in porcelain.annotate(".", b"lines"))
print(f"dulwich {version('dulwich')}: dan merged what bob wrote, expected as git blame {dict(git)};"
      f" seen {dict(annotated)}")
assert git == {"ada": 10, "bob": 100, "cyd": 1}
assert annotated == {"ada": 10, "cyd": 1, "dan": 100}
PY
