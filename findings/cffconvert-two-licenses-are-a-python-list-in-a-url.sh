#!/bin/sh
# cffconvert 2.0.0: a CITATION.cff with two licenses gets a Python list as the address of its license.
#
# Expected: "license: [MIT, Apache-2.0]", which the Citation File Format allows (either of them) and validate() accepts,
#           gives CodeMeta and schema.org the two addresses https://spdx.org/licenses/MIT and .../Apache-2.0.
# Seen:     one text, https://spdx.org/licenses/['MIT', 'Apache-2.0']. It is no address, and there is no error. The
#           output for Zenodo has the list where one id is expected.
# Matters:  codemeta.json is what research indexes read. Software under two licenses has an unknown license there, or
#           one that no other project has, and counts of licenses are short of both.
# Instead:  read "license" from the file itself, a text or a list, and join it with OR; or write one address for each
#           into the converted JSON.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q cffconvert==2.0.0
"$tmp/venv/bin/python" -W ignore - <<'PY'
import json
from importlib.metadata import version

from cffconvert import Citation

CFF = """\
cff-version: 1.2.0
message: Please cite this software.
title: Cat
authors: [{name: The Octo Project}]
license: %s
"""


def licenses(written):
    citation = Citation(CFF % written)
    citation.validate()  # raises if the file is not valid
    converted = (citation.as_codemeta(), citation.as_schemaorg(), citation.as_zenodo())
    return [json.loads(text)["license"] for text in converted]


one, two = licenses("MIT"), licenses("[MIT, Apache-2.0]")
print(f"cffconvert {version('cffconvert')}: licenses MIT and Apache-2.0, expected two addresses; seen {two[:2]},"
      f" for Zenodo {two[2]}; with one license {one}")
assert one == ["https://spdx.org/licenses/MIT", "https://spdx.org/licenses/MIT", {"id": "MIT"}]
assert two[0] == two[1] == "https://spdx.org/licenses/['MIT', 'Apache-2.0']"
assert two[2] == {"id": ["MIT", "Apache-2.0"]}
PY
