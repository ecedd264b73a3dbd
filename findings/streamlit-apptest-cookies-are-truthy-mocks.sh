#!/bin/sh
# streamlit 1.67.0: under AppTest a cookie that nobody set is there, and is a mock.
#
# Expected: in AppTest st.context.cookies is empty, and st.context.cookies.get("session") is None, as
#           st.context.headers is and does.
# Seen:     it returns a MagicMock: true in an if, and without an error wherever it is passed on.
#           st.context.ip_address is a mock too.
# Matters:  a test of "nobody is signed in" runs as somebody whose role is a mock, and passes or fails for the wrong
#           reason. The cookies of the real server are a plain mapping.
# Instead:  replace the property in a fixture with a mapping of your own, and let the code insist on a str.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q streamlit==1.67.0
cat > "$tmp/run.py" <<'PY'
from importlib.metadata import version
from unittest import mock

from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    for value in (st.context.cookies.get("session"), st.context.headers.get("X-Session")):
        st.text(f"{type(value).__name__} {bool(value)}")


def look():
    ran = AppTest.from_function(page, default_timeout=60).run()
    assert not ran.exception
    return [text.value for text in ran.text]


cookie, header = look()
with mock.patch.object(ContextProxy, "cookies", {}):
    replaced, _ = look()
print(f"streamlit {version('streamlit')}: a cookie that is not set, expected NoneType False; seen {cookie},"
      f" {replaced} with the property replaced; a header that is not set: {header}")
assert (cookie, header, replaced) == ("MagicMock True", "NoneType False", "NoneType False")
PY
"$tmp/venv/bin/python" "$tmp/run.py" 2>"$tmp/log" || { # Streamlit warns that no server runs
    cat "$tmp/log" >&2
    exit 1
}
