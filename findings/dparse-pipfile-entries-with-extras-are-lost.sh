#!/bin/sh
# dparse 0.6.4: a Pipfile's dependency that asks for an extra is not a dependency.
#
# Expected: requests = {version = "==2.30.0", extras = ["socks"]} is read like requests = "==2.30.0"; its README
#           lists Pipfile as supported, and in a requirements file an extra does no harm.
# Seen:     every entry that is a table is passed over, without an error. The code means dependencies from a version
#           control system, but extras, markers, a platform or an index of one's own make a table as well.
# Matters:  what is asked for with extras is often the framework that a project is built on. Dependents are counted too
#           low, and whoever looks for outdated or vulnerable versions is told of none.
# Instead:  read Pipfile with tomllib and take "version" from a table, or read Pipfile.lock, where extras hide nothing.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q dparse==0.6.4
"$tmp/venv/bin/python" -W ignore - <<'PY'
import json
import tomllib
from importlib.metadata import version

import dparse

PIPFILE = """\
[packages]
flask = "==3.0.0"
requests = {version = "==2.30.0", extras = ["socks"]}
tzdata = {version = "==2024.1", markers = "sys_platform == 'win32'"}

[dev-packages]
pytest = {version = "*", extras = ["dev"]}
"""
HASHES = [f"sha256:{0:064}"]


def read(text, kind):
    return [f"{found.name}{found.specs}" for found in dparse.parse(text, file_type=kind).dependencies]


entries = tomllib.loads(PIPFILE)["packages"].items()
tables = {name: entry if isinstance(entry, dict) else {"version": entry} for name, entry in entries}
lock = {"default": {name: entry | {"hashes": HASHES} for name, entry in tables.items()}}
seen = read(PIPFILE, dparse.filetypes.pipfile)
requirements = read("flask==3.0.0\nrequests[socks]==2.30.0\n", dparse.filetypes.requirements_txt)
locked = read(json.dumps(lock), dparse.filetypes.pipfile_lock)
print(f"dparse {version('dparse')}: a Pipfile with flask, requests[socks], tzdata and pytest[dev], expected four;"
      f" seen {seen}; in requirements.txt {requirements}, in Pipfile.lock {locked}")
assert seen == ["flask==3.0.0"]
assert requirements == ["flask==3.0.0", "requests==2.30.0"]
assert locked == ["flask==3.0.0", "requests==2.30.0", "tzdata==2024.1"]
PY
