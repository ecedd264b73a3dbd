#!/bin/sh
# requests-cache 1.3.3: a list that is asked for in another order gets the answer of the first order.
#
# Expected: only what cannot change the answer is evened out in the cache's key, as the documentation says; which of two
#           values of one parameter comes first, or two entries of a JSON list, can.
# Seen:     ?repo=a&repo=b and ?repo=b&repo=a are one entry of the cache, by default. So are POSTs of ["a", "b"] and
#           ["b", "a"], where POST is cached at all; a list inside an object keeps its order.
# Matters:  answers in bulk come in the order of the question. Put beside the names that were asked for, a number
#           belongs to another repository, and sort=stars&sort=name gets what sort=name&sort=stars got.
# Instead:  a key_fn of your own, as below, or sort what you ask for and rely on that order.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q requests-cache==1.3.3
"$tmp/venv/bin/python" - <<'PY'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from requests_cache import CachedSession

STARS = {"octo/cat": 5, "octo/dog": 900}
THERE, BACK = list(STARS), list(STARS)[::-1]


class Bulk(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(parse_qs(urlsplit(self.path).query)["repo"])

    def do_POST(self):
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, repos):
        body = json.dumps([STARS[repo] for repo in repos]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def exact(request, **_):
    return f"{request.method} {request.url} {request.body}"


def asked_twice(**options):
    with CachedSession(backend="memory", allowable_methods=("GET", "POST"), **options) as session:
        return [
            [send(repos).json() for repos in (THERE, BACK)]
            for send in (
                lambda repos: session.get(url, params={"repo": repos}),
                lambda repos: session.post(url, json=repos),
            )
        ]


server = ThreadingHTTPServer(("127.0.0.1", 0), Bulk)
url = f"http://127.0.0.1:{server.server_port}/stars"
Thread(target=server.serve_forever, daemon=True).start()
(got, posted), own_key = asked_twice(), asked_twice(key_fn=exact)
server.shutdown()
print(f"requests-cache {version('requests-cache')}: stars of {BACK} after {THERE}, expected [900, 5];"
      f" seen {got[1]} with GET, {posted[1]} with POST, {own_key[0][1]} with a key of one's own")
assert got == posted == [[5, 900], [5, 900]]
assert own_key == [[[5, 900], [900, 5]], [[5, 900], [900, 5]]]
PY
