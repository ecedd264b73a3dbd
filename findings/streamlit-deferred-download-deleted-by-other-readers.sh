#!/bin/sh
# streamlit 1.67.0: a download whose data is a function is deleted after two script runs, whoever runs them.
#
# Expected: what st.download_button(data=function) has generated is there until its reader has fetched it, or at
#           least until that reader's page runs twice more; a download given as bytes stays as long as its button.
# Seen:     no session refers to the generated file. Each script run of any session ends with a removal of orphaned
#           files: the first marks the file, the second deletes it. The URL then answers 404.
# Matters:  on a server with many readers the file is gone before a browser on a slow line has asked for it. The
#           browser shows a failed download; nothing is logged.
# Instead:  keep generated downloads for a time of your own in the media file storage.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q streamlit==1.67.0
cat > "$tmp/run.py" <<'PY'
from importlib.metadata import version

from streamlit.runtime import media_file_manager as manager_module
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

session = "ada"
manager_module._get_session_id = lambda: session
manager = MediaFileManager(MemoryMediaFileStorage("/media"))

given = manager.add(b"given\n", "text/csv", "1.0", "given.csv", is_for_static_download=True)
button = manager.add_deferred(lambda: b"generated\n", "text/csv", "1.1", "generated.csv")
generated = manager.execute_deferred(button)  # Ada's click; her browser is told the URL


def is_there(url):
    return manager.read_file(url.removeprefix("/media/").removesuffix(".csv")) is not None


seen = [is_there(generated)]
for session in ("bob", "eve"):  # what the end of a script run does, in the sessions of two other readers
    manager.clear_session_refs()
    manager.remove_orphaned_files()
    seen.append(is_there(generated))
print(f"streamlit {version('streamlit')}: generated download, expected there three times;"
      f" seen {seen} after no, one and two script runs of others; given as bytes: {is_there(given)}")
assert seen == [True, True, False]
assert is_there(given)
PY
"$tmp/venv/bin/python" "$tmp/run.py" 2>"$tmp/log" || { # Streamlit warns that no server runs
    cat "$tmp/log" >&2
    exit 1
}
