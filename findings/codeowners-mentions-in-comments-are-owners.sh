#!/bin/sh
# codeowners 0.9.0 (PyPI), a reader of CODEOWNERS: whoever a comment mentions owns the files.
#
# Expected: what follows a # on a line is a comment, as in the example of GitHub's documentation
#           ("*.js @js-owner #This is an inline comment."); a path with nothing but a comment has no owner.
# Seen:     of() leaves out the comment's plain words, so GitHub's example comes out right, but each @name and each
#           e-mail address in it is one more owner, also of a path that was given to nobody.
# Matters:  owners and reviewers are listed who are not, files without an owner go unnoticed, and people who were
#           replaced ("was @bob") stay in the figures.
# Instead:  cut each line at a # that has white space before it, before handing the text over.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q codeowners==0.9.0
"$tmp/venv/bin/python" - <<'PY'
import re
from importlib.metadata import version

from codeowners import CodeOwners

TEXT = """\
*.js       @js-owner #This is an inline comment.
*.py       @ada # was @bob until May
/vendored/ # nobody, ask legal@example.org
"""
FILES = ("app.js", "app.py", "vendored/app")


def owners(text):
    read = CodeOwners(text)
    return {file: [name for _, name in read.of(file)] for file in FILES}


seen = owners(TEXT)
cut = owners(re.sub(r"[ \t]#.*", "", TEXT))
print(f"codeowners {version('codeowners')}: comments mention @bob and an address, expected {cut}; seen {seen}")
assert cut == {"app.js": ["@js-owner"], "app.py": ["@ada"], "vendored/app": []}
assert seen == {"app.js": ["@js-owner"], "app.py": ["@ada", "@bob"], "vendored/app": ["legal@example.org"]}
PY
