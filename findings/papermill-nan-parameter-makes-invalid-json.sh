#!/bin/sh
# papermill 2.7.0 with nbformat 5.11.1: a parameter that is NaN gives a notebook that is not JSON.
#
# Expected: a parameter that papermill takes without an error (it writes it as float('nan') in the cell) gives a
#           notebook that any notebook tool opens.
# Seen:     the parameters are also kept in the notebook's metadata, and there NaN is written as the bare word NaN,
#           which JSON does not have. Python reads it back and nbformat calls it valid; whatever uses a strict reader
#           does not.
# Matters:  one missing number among the parameters of a report, and the notebook opens in Python's tests but not in a
#           browser, whose JSON.parse refuses it.
# Instead:  pass None for what is missing, or leave the parameter out so that the notebook's own value counts.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q papermill==2.7.0 nbformat==5.11.1
cd "$tmp"
"$tmp/venv/bin/python" -W ignore - <<'PY'
import json
import pathlib
from importlib.metadata import version

import nbformat
import papermill

cell = nbformat.v4.new_code_cell("growth = 0.0", metadata={"tags": ["parameters"]})
kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), "in.ipynb")


def refuse(word):
    raise ValueError(f"{word} is not JSON")


def strict(value):
    papermill.execute_notebook("in.ipynb", "out.ipynb", parameters={"growth": value}, prepare_only=True)
    nbformat.validate(nbformat.read("out.ipynb", as_version=4))
    try:
        json.loads(pathlib.Path("out.ipynb").read_text(), parse_constant=refuse)
    except ValueError as error:
        return str(error)
    return "JSON"


nan, none = strict(float("nan")), strict(None)
print(f"papermill {version('papermill')}, nbformat {version('nbformat')}: a notebook with growth=NaN, expected JSON;"
      f" seen {nan!r}, with growth=None {none!r}")
assert (nan, none) == ("NaN is not JSON", "JSON")
PY
