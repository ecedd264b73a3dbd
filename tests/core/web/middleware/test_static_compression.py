"""Streamlit's files go out compressed to who takes that, whole and unchanged, whatever became of the kept pack."""

import gzip
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
import streamlit
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from core.web.middleware import index_html, static_compression, static_packs
from core.web.middleware.index_html import IndexHtml, customized
from core.web.middleware.static_compression import StaticCompression, load_or_build_packs, negotiate_encoding

SCRIPT = b"export const answer = 42; // " + b"the same words again and again " * 200
BROWSER_ENCODINGS = {"accept-encoding": "gzip, deflate, br, zstd"}
FRONTEND = Path(streamlit.__file__).parent / "static"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "js").mkdir(parents=True)
    (folder / "js" / "index.A1b2.js").write_bytes(SCRIPT)
    (folder / "small.svg").write_bytes(b"<svg/>")
    (folder / "font.woff2").write_bytes(b"wOF2" + bytes(100))
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build in this process: one file compresses at once."""
    monkeypatch.setattr(static_compression, "build_in_subprocess", static_packs.build_pack)


def static_client(folder: Path, keep_in: Path) -> TestClient:
    application = Starlette(
        routes=[
            Mount("/static", StaticFiles(directory=folder)),
            Route("/static-not", lambda _: PlainTextResponse("x")),
        ],
        middleware=[Middleware(StaticCompression, folder=folder, keep_in=keep_in, head_start=0, rest=0)],
    )
    return TestClient(application)


@pytest.fixture
def web(folder: Path, tmp_path: Path, quick: None) -> Iterator[TestClient]:
    with static_client(folder, tmp_path / "data") as client:
        wait_for_pack(tmp_path / "data")
        yield client


def wait_for_pack(data: Path) -> Path:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if found := list(data.glob("static/*.pack")):
            return found[0]
        time.sleep(0.01)
    pytest.fail("no pack was kept")


def raw_response(client: TestClient, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
    """The answer as it came over the wire."""
    with client.stream("GET", path, headers=headers) as answer:
        return dict(answer.headers), b"".join(answer.iter_raw())


@pytest.mark.parametrize(("coding", "opened"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_a_file_comes_compressed_and_whole(web, coding, opened):
    headers, body = raw_response(web, "/static/js/index.A1b2.js", **{"accept-encoding": coding})
    assert opened(body) == SCRIPT
    assert len(body) < len(SCRIPT) / 10
    assert headers["content-encoding"] == coding
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["cache-control"] == "public, immutable, max-age=31536000"
    assert headers["vary"] == "Accept-Encoding"


def test_browsers_get_brotli(web):
    assert web.get("/static/js/index.A1b2.js", headers=BROWSER_ENCODINGS).headers["content-encoding"] == "br"


@pytest.mark.parametrize("accepted", ["identity", "", "br;q=0, gzip;q=0", "deflate", "br;q=much", "*;q=0"])
def test_who_takes_no_compression_gets_the_plain_file_and_caches_are_told(web, accepted):
    headers, body = raw_response(web, "/static/js/index.A1b2.js", **{"accept-encoding": accepted})
    assert body == SCRIPT
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept-Encoding"


def test_who_has_it_already_is_told_so(web):
    tags = {}
    for coding in ("br", "gzip"):
        headers, _ = raw_response(web, "/static/js/index.A1b2.js", **{"accept-encoding": coding})
        tags[coding] = headers["etag"]
        asked = {"accept-encoding": coding, "if-none-match": f'"other", W/{headers["etag"]}'}
        again = web.get("/static/js/index.A1b2.js", headers=asked)
        assert again.status_code == 304
        assert again.content == b""
        assert "content-encoding" not in again.headers
        assert again.headers["etag"] == headers["etag"]
    assert tags["br"] != tags["gzip"]


def test_head_tells_all_but_the_body(web):
    answer = web.head("/static/js/index.A1b2.js", headers={"accept-encoding": "br"})
    _, body = raw_response(web, "/static/js/index.A1b2.js", **{"accept-encoding": "br"})
    assert answer.headers["content-length"] == str(len(body))
    assert answer.content == b""


def test_a_part_of_a_file_is_a_part_of_the_plain_one(web):
    headers, body = raw_response(web, "/static/js/index.A1b2.js", **{**BROWSER_ENCODINGS, "range": "bytes=7-11"})
    assert body == SCRIPT[7:12]
    assert "content-encoding" not in headers


@pytest.mark.parametrize("path", ["font.woff2", "small.svg"])
def test_what_does_not_shrink_goes_out_as_it_is(web, folder, path):
    headers, body = raw_response(web, f"/static/{path}", **BROWSER_ENCODINGS)
    assert body == (folder / path).read_bytes()
    assert "content-encoding" not in headers


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/js/%2e%2e/%2e%2e/data", "/static/", "/static//etc/passwd", "/static/nothing.js"],
)
def test_no_other_path_leads_to_a_file(web, path):
    assert web.get(path, headers=BROWSER_ENCODINGS).status_code in {400, 404}


def test_other_methods_and_paths_are_left_alone(web):
    assert web.post("/static/js/index.A1b2.js", headers=BROWSER_ENCODINGS).status_code == 405
    assert web.get("/static-not").text == "x"


# The pack -----------------------------------------------------------------------------------------------------------


def test_the_first_start_builds_a_pack_and_the_next_one_reads_it(folder, tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr(
        static_compression,
        "build_in_subprocess",
        lambda *order: built.append(order[1]) or static_packs.build_pack(*order),
    )
    stages = list(load_or_build_packs(folder, tmp_path))
    assert built == ["quick", "best"]
    assert [list(stage) for stage in stages] == [["js/index.A1b2.js"]] * 2
    assert list(load_or_build_packs(folder, tmp_path)) == stages[-1:]
    assert built == ["quick", "best"]


@pytest.mark.parametrize("spoil", ["cut", "empty", "flipped", "other"])
def test_a_damaged_pack_is_built_again(folder, tmp_path, quick, spoil):
    first = list(load_or_build_packs(folder, tmp_path))[-1]
    kept = wait_for_pack(tmp_path)
    whole = kept.read_bytes()
    middle = len(whole) // 2
    spoilt = {
        "cut": whole[:-1],
        "empty": b"",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "other": b"not a pack at all",
    }
    kept.write_bytes(spoilt[spoil])
    assert list(load_or_build_packs(folder, tmp_path))[-1] == first
    assert kept.read_bytes() == whole


def test_a_new_streamlit_gets_a_new_pack_and_the_old_one_goes(folder, tmp_path, quick):
    data = tmp_path / "data"
    list(load_or_build_packs(folder, data))
    old = wait_for_pack(data)
    (folder / "js" / "other.C3d4.js").write_bytes(SCRIPT * 2)
    assert "js/other.C3d4.js" in list(load_or_build_packs(folder, data))[-1]
    assert not old.exists()
    assert len(list((data / "static").iterdir())) == 1


def test_where_nothing_can_be_kept_files_are_compressed_all_the_same(folder, tmp_path, quick):
    (tmp_path / "data").write_text("a file where the folder should be")
    with structlog.testing.capture_logs() as logged:
        files = list(load_or_build_packs(folder, tmp_path / "data"))[-1]
    assert "js/index.A1b2.js" in files
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == [
        "compressed static files cannot be kept, the next start compresses them again"
    ]


def test_where_nothing_can_be_built_files_go_out_plain(folder, tmp_path, monkeypatch):
    def broken(_folder: Path, _effort: str) -> bytes:
        raise subprocess.CalledProcessError(1, "python")

    monkeypatch.setattr(static_compression, "build_in_subprocess", broken)
    with structlog.testing.capture_logs() as logged, static_client(folder, tmp_path / "data") as client:
        until = time.monotonic() + 10
        while not logged and time.monotonic() < until:
            time.sleep(0.01)
        _, body = raw_response(client, "/static/js/index.A1b2.js", **BROWSER_ENCODINGS)
    assert body == SCRIPT
    assert [line["event"] for line in logged] == ["static files could not be compressed"]


def test_the_pack_is_built_in_a_process_of_its_own(folder):
    assert static_packs.read_pack(static_compression.build_in_subprocess(folder, "quick"))["js/index.A1b2.js"].bodies[
        "br"
    ]


def test_a_builder_whose_process_is_gone_stops(folder):
    command = [sys.executable, "-m", static_packs.__name__, str(folder), "best", "1"]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert done.returncode == 1


# Accept-Encoding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("br, gzip", "br"),
        ("gzip, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.9", "gzip"),
        ("GZIP ; Q=1.0", "gzip"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("gzip;q=0.2, identity;q=0.9", None),
        ("gzip;q=2", None),
        (",,;q=1,", None),
        ("", None),
    ],
)
def test_the_liked_coding_is_chosen(accepted, chosen):
    assert negotiate_encoding(accepted, ("br", "gzip")) == chosen


@given(st.text(max_size=60))
def test_any_header_can_be_read(accepted):
    assert negotiate_encoding(accepted, ("br", "gzip")) in {"br", "gzip", None}


# The page -----------------------------------------------------------------------------------------------------------


def test_streamlits_page_becomes_ours():
    theirs = (FRONTEND / "index.html").read_text()
    html = customized(theirs)
    assert "<title>Almanac</title>" in html
    assert html.count(index_html.FONT) == 2
    assert "SourceSans" not in html
    assert "agent" not in html
    assert index_html.ICON in html
    # What the app needs, and what the content security policy knows, is as it was.
    for part in ('<div id="root"></div>', "window.prerenderReady = false"):
        assert part in html
    assert html.count("<script") == theirs.count("<script")
    assert html.count("modulepreload") == theirs.count("modulepreload")


def page_client(index: Path) -> TestClient:
    def page(request: Request) -> HTMLResponse:
        other = request.url.path == "/other"
        body = "<p>something else</p>" if other else index.read_text()
        return HTMLResponse(body, headers={"etag": '"theirs"', "cache-control": "no-cache"})

    routes = [Route("/{path:path}", page, methods=["GET"])]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(IndexHtml, index=index)]))


def test_every_address_of_the_app_begins_with_our_page_compressed():
    client = page_client(FRONTEND / "index.html")
    headers, body = raw_response(client, "/languages", **BROWSER_ENCODINGS)
    assert gzip.decompress(body).decode() == customized((FRONTEND / "index.html").read_text())
    assert headers["content-length"] == str(len(body))
    assert headers["cache-control"] == "no-cache"
    assert "etag" not in headers
    plain, html = raw_response(client, "/languages", **{"accept-encoding": "identity"})
    assert html.decode() == customized((FRONTEND / "index.html").read_text())
    assert plain["vary"] == "Accept-Encoding"
    assert client.head("/", headers={"accept-encoding": "gzip"}).headers["content-length"] == str(len(body))


def test_other_html_is_left_as_it_is():
    headers, body = raw_response(page_client(FRONTEND / "index.html"), "/other", **BROWSER_ENCODINGS)
    assert body == b"<p>something else</p>"
    assert headers["etag"] == '"theirs"'
