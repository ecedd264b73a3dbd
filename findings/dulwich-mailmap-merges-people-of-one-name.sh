#!/bin/sh
# dulwich 1.2.21: a line of .mailmap that is meant for one address takes everybody who has that name.
#
# Expected: "Alex Smith <alex@example.org>" says how whoever commits as alex@example.org is called, as git reads it;
#           another Alex Smith stays who they are.
# Seen:     porcelain.check_mailmap and Mailmap.lookup turn every Alex Smith, whatever the address, into that one:
#           such a line is also stored under its name alone. git check-mailmap leaves the other one as they are.
# Matters:  two people become one in counts of contributors, and one is credited with the other's commits. The more
#           carefully a project keeps its .mailmap, the more names are caught.
# Instead:  git check-mailmap or git log with %aN and %aE; or write the address twice, which git reads the same way:
#           "Alex Smith <alex@example.org> <alex@example.org>".
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q dulwich==1.2.21
export HOME="$tmp" GIT_CONFIG_NOSYSTEM=1
git init -q "$tmp/repository"
cd "$tmp/repository"
"$tmp/venv/bin/python" - <<'PY'
import subprocess
from importlib.metadata import version
from pathlib import Path

from dulwich import porcelain

NAMED = "Alex Smith <alex@example.org>"
OTHER = "Alex Smith <a.smith@elsewhere.example>"


def identities(line):
    Path(".mailmap").write_text(f"{line}\n")
    git = subprocess.run(("git", "check-mailmap", OTHER), capture_output=True, check=True, text=True).stdout.strip()
    return git, porcelain.check_mailmap(".", OTHER).decode()


once = identities(NAMED)
twice = identities(f"{NAMED} <alex@example.org>")
print(f"dulwich {version('dulwich')}: a mailmap names alex@example.org, expected {OTHER} unchanged;"
      f" seen {once[1]}, git says {once[0]}, with the address written twice {twice[1]}")
assert once == (OTHER, NAMED)
assert twice == (OTHER, OTHER)
PY
