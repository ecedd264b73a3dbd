#!/bin/sh
# PyGithub 2.10.0: the last item of a list is the last one that was loaded so far.
#
# Expected: issues[-1] of 250 issues is the 250th and issues[:-1] is all but that one, or both are refused: the list
#           comes in pages, and nobody knows its end before the last one.
# Seen:     after issues[0] was looked at, issues[-1] is the 100th issue: the last of the first page. It is another one
#           after each page, and an IndexError before the first. issues[:-1] is always empty, without a request: an end
#           below 0 is behind every start.
# Matters:  the oldest issue, commit or stargazer is asked for like that. In a small repository, and in tests with one
#           page, it is right; in a large one it is a wrong date that looks like any other.
# Instead:  issues.reversed[0], which asks for the last page, or list(issues) first. issues.totalCount is right.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q PyGithub==2.10.0
"$tmp/venv/bin/python" - <<'PY'
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from github import Github

TOTAL = 250


class Api(BaseHTTPRequestHandler):
    """Two of GitHub's answers: a repository, and its issues in pages with the links that GitHub sends."""

    def do_GET(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
        last = -(-TOTAL // size)
        content = {"full_name": "octo/cat", "url": f"{base}/repos/octo/cat"}
        if url.path.endswith("/issues"):
            content = [{"number": number + 1} for number in range(TOTAL)][(page - 1) * size : page * size]
        body = json.dumps(content).encode()
        self.send_response(200)
        if page < last:
            link = f"<{base}{url.path}?per_page={size}&page="
            self.send_header("Link", f'{link}{page + 1}>; rel="next", {link}{last}>; rel="last"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
base = f"http://127.0.0.1:{server.server_port}"
Thread(target=server.serve_forever, daemon=True).start()
repository = Github(base_url=base, per_page=100).get_repo("octo/cat")
issues = repository.get_issues()
assert issues[0].number == 1
last = [issues[-1].number]
assert issues[100].number == 101
last.append(issues[-1].number)
but_last = len(list(issues[:-1]))
backwards = repository.get_issues().reversed[0].number
everything = list(repository.get_issues())
server.shutdown()
print(f"PyGithub {version('PyGithub')}: the last of {TOTAL} issues, expected 250; seen {last[0]} after [0], {last[1]}"
      f" after [100]; all but the last, expected 249; seen {but_last}; reversed[0] is {backwards}")
assert last == [100, 200]
assert but_last == 0
assert backwards == everything[-1].number == TOTAL
PY
