#!/bin/sh
# joblib 1.6.0 with pandas 3.1.1 and pyarrow 26.0.1: looking at an Arrow-backed frame gives it another hash.
#
# Expected: joblib.hash of a frame follows from its rows; describe() returns figures and changes nothing, so that a
#           function cached by joblib.Memory is not called again for the same frame.
# Seen:     after describe() of a frame read with dtype_backend="pyarrow" the hash is another one, and the function is
#           called again; the frame still equals its copy. An Arrow array remembers the number of its nulls once it was
#           counted, -1 before, and writes that number when it is pickled, which is what joblib hashes.
# Matters:  the cache misses without a word, once or, where frames are read anew, again and again; whoever compares
#           hashes to see whether data changed sees a change.
# Instead:  hash the rows: pandas.util.hash_pandas_object, or the frame written as Arrow IPC, which counts the nulls.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export HOME="$tmp"
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q joblib==1.6.0 pandas==3.1.1 pyarrow==26.0.1
"$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
from importlib.metadata import version

import joblib
import pandas as pd

pd.DataFrame({"login": ["ada", "bob", "eve"], "stars": [4, 9, None]}).to_parquet(f"{sys.argv[1]}/stars.parquet")
calls = []


@joblib.Memory(sys.argv[1], verbose=0).cache
def most_starred(frame):
    calls.append(len(frame))
    return frame["login"][frame["stars"].argmax()]


def calls_around(backend, look):
    frame = pd.read_parquet(f"{sys.argv[1]}/stars.parquet", dtype_backend=backend)
    copy = frame.copy()
    calls.clear()
    most_starred(frame)
    most_starred(frame)
    look(frame)
    most_starred(frame)
    assert frame.equals(copy)
    return len(calls)


seen = calls_around("pyarrow", lambda frame: frame.describe())
without = calls_around("numpy_nullable", lambda frame: frame.describe())
print(f"joblib {version('joblib')}, pandas {version('pandas')}, pyarrow {version('pyarrow')}: calls of a cached function"
      f" for one frame, expected 1; seen {seen} with describe() in between, {without} where pandas keeps the columns")
assert (seen, without) == (2, 1)
PY
