"""Streamlit's files are sent compressed to clients that accept it, unchanged, even if the saved files are damaged."""

import gzip
import random
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

from core.web.middleware import index_html, precompress, static_compression
from core.web.middleware.index_html import IndexHtml, customized
from core.web.middleware.static_compression import StaticCompression, load_or_compress, negotiate_encoding

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
    """Compress in this process: one file takes no time."""
    monkeypatch.setattr(static_compression, "compress_in_subprocess", precompress.compress_folder)


def static_client(folder: Path, cache_folder: Path) -> TestClient:
    application = Starlette(
        routes=[
            Mount("/static", StaticFiles(directory=folder)),
            Route("/static-not", lambda _: PlainTextResponse("x")),
        ],
        middleware=[
            Middleware(StaticCompression, folder=folder, cache_folder=cache_folder, start_delay=0, build_pause=0)
        ],
    )
    return TestClient(application)


@pytest.fixture
def web(folder: Path, tmp_path: Path, quick: None) -> Iterator[TestClient]:
    with static_client(folder, tmp_path / "data") as client:
        wait_until_served(client, wait_for_files(tmp_path / "data").parent)
        yield client


def wait_until_served(client: TestClient, saved: Path) -> None:
    """Wait until the middleware serves the *saved* files: they are saved a moment before, and replace quick ones."""
    best = len(precompress.load_files(saved)["js/index.A1b2.js"].bodies["br"])
    until = time.monotonic() + 60
    while client.head("/static/js/index.A1b2.js", headers={"accept-encoding": "br"}).headers.get(
        "content-length"
    ) != str(best):
        assert time.monotonic() < until, "the saved files are not served"
        time.sleep(0.01)


def wait_for_files(cache_folder: Path) -> Path:
    """Return the manifest, once it is saved."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := list(cache_folder.glob("[!.]*/manifest.json")):  # folders with a dot are being written
            return found[0]
        time.sleep(0.01)
    pytest.fail("no files were saved")


def raw_response(client: TestClient, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body as transmitted."""
    with client.stream("GET", path, headers=headers) as answer:
        return dict(answer.headers), b"".join(answer.iter_raw())


@pytest.mark.parametrize(("coding", "opened"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_a_compressed_file_decodes_to_the_original(web, coding, opened):
    headers, body = raw_response(web, "/static/js/index.A1b2.js", **{"accept-encoding": coding})
    assert opened(body) == SCRIPT
    assert len(body) < len(SCRIPT) / 10
    assert headers["content-encoding"] == coding
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["cache-control"] == "public, immutable, max-age=31536000"
    assert headers["vary"] == "Accept-Encoding"


def test_browsers_receive_brotli(web):
    assert web.get("/static/js/index.A1b2.js", headers=BROWSER_ENCODINGS).headers["content-encoding"] == "br"


@pytest.mark.parametrize("accepted", ["identity", "", "br;q=0, gzip;q=0", "deflate", "br;q=much", "*;q=0"])
def test_a_client_without_compression_gets_the_plain_file_with_vary(web, accepted):
    headers, body = raw_response(web, "/static/js/index.A1b2.js", **{"accept-encoding": accepted})
    assert body == SCRIPT
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept-Encoding"


def test_an_unchanged_file_is_answered_with_304(web):
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


def test_head_has_the_headers_of_get_without_a_body(web):
    answer = web.head("/static/js/index.A1b2.js", headers={"accept-encoding": "br"})
    _, body = raw_response(web, "/static/js/index.A1b2.js", **{"accept-encoding": "br"})
    assert answer.headers["content-length"] == str(len(body))
    assert answer.content == b""


def test_a_range_request_gets_the_range_of_the_plain_file(web):
    headers, body = raw_response(web, "/static/js/index.A1b2.js", **{**BROWSER_ENCODINGS, "range": "bytes=7-11"})
    assert body == SCRIPT[7:12]
    assert "content-encoding" not in headers


@pytest.mark.parametrize("path", ["font.woff2", "small.svg"])
def test_an_incompressible_file_is_sent_unchanged(web, folder, path):
    headers, body = raw_response(web, f"/static/{path}", **BROWSER_ENCODINGS)
    assert body == (folder / path).read_bytes()
    assert "content-encoding" not in headers


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/js/%2e%2e/%2e%2e/data", "/static/", "/static//etc/passwd", "/static/nothing.js"],
)
def test_a_path_outside_the_folder_is_not_found(web, path):
    assert web.get(path, headers=BROWSER_ENCODINGS).status_code in {400, 404}


def test_other_methods_and_paths_are_passed_through(web):
    assert web.post("/static/js/index.A1b2.js", headers=BROWSER_ENCODINGS).status_code == 405
    assert web.get("/static-not").text == "x"


def test_the_first_start_compresses_twice_and_the_next_one_reuses_the_files(folder, tmp_path, monkeypatch):
    efforts = []

    def compress(folder: Path, destination: Path, effort: str) -> None:
        efforts.append(effort)
        precompress.compress_folder(folder, destination, effort)

    monkeypatch.setattr(static_compression, "compress_in_subprocess", compress)
    stages = list(load_or_compress(folder, tmp_path))
    assert efforts == ["quick", "best"]
    assert [list(stage) for stage in stages] == [["js/index.A1b2.js"]] * 2
    assert list(load_or_compress(folder, tmp_path)) == stages[-1:]
    assert efforts == ["quick", "best"]


def test_compressed_files_are_saved_side_by_side(folder, tmp_path, quick):
    list(load_or_compress(folder, tmp_path / "data"))
    saved = wait_for_files(tmp_path / "data").parent
    assert brotli.decompress((saved / "js" / "index.A1b2.js.br").read_bytes()) == SCRIPT
    assert gzip.decompress((saved / "js" / "index.A1b2.js.gz").read_bytes()) == SCRIPT


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "other", "missing"])
@pytest.mark.parametrize("name", ["js/index.A1b2.js.br", "manifest.json"])
def test_damaged_files_are_recompressed_and_not_served(folder, tmp_path, quick, damage, name):
    first = list(load_or_compress(folder, tmp_path))[-1]
    saved = wait_for_files(tmp_path).parent / name
    whole = saved.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "cut": whole[:-1],
        "empty": b"",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "other": b"something else",
    }
    if damage == "missing":
        saved.unlink()
    else:
        saved.write_bytes(damaged[damage])
    assert list(load_or_compress(folder, tmp_path))[-1] == first
    assert saved.read_bytes() == whole


def test_a_new_streamlit_gets_a_new_folder_and_the_old_one_is_removed(folder, tmp_path, quick):
    data = tmp_path / "data"
    list(load_or_compress(folder, data))
    old = wait_for_files(data).parent
    (folder / "js" / "other.C3d4.js").write_bytes(SCRIPT * 2)
    assert "js/other.C3d4.js" in list(load_or_compress(folder, data))[-1]
    assert not old.exists()
    assert len(list(data.iterdir())) == 1


def test_files_are_compressed_when_the_cache_is_not_writable(folder, tmp_path, quick):
    (tmp_path / "data").write_text("a file where the folder should be")
    with structlog.testing.capture_logs() as logged:
        files = list(load_or_compress(folder, tmp_path / "data"))[-1]
    assert "js/index.A1b2.js" in files
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == [
        "compressed static files not saved, will be compressed again at next start"
    ]


def test_files_are_sent_uncompressed_when_compression_fails(folder, tmp_path, monkeypatch):
    def broken(_folder: Path, _destination: Path, _effort: str) -> None:
        raise subprocess.CalledProcessError(1, "python")

    monkeypatch.setattr(static_compression, "compress_in_subprocess", broken)
    with structlog.testing.capture_logs() as logged, static_client(folder, tmp_path / "data") as client:
        until = time.monotonic() + 60
        while not logged:
            assert time.monotonic() < until
            time.sleep(0.01)
        _, body = raw_response(client, "/static/js/index.A1b2.js", **BROWSER_ENCODINGS)
    assert body == SCRIPT
    assert [line["event"] for line in logged] == ["static file compression failed"]


def test_files_are_compressed_in_a_child_process(folder, tmp_path):
    static_compression.compress_in_subprocess(folder, tmp_path / "files", "quick")
    assert precompress.load_files(tmp_path / "files")["js/index.A1b2.js"].bodies["br"]


def test_the_script_of_charts_is_compiled_in_the_background(folder, tmp_path):
    """It takes as long as the rest of a page where its functions are compiled one by one, as they are called."""
    (folder / "js" / "PlotlyChart.C3d4.js").write_bytes(SCRIPT)
    precompress.compress_folder(folder, tmp_path / "files", "quick")
    files = precompress.load_files(tmp_path / "files")
    charts, other = files["js/PlotlyChart.C3d4.js"], files["js/index.A1b2.js"]
    for decompress, coding in ((brotli.decompress, "br"), (gzip.decompress, "gzip")):
        assert decompress(charts.bodies[coding]) == b"//# allFunctionsCalledOnLoad\n" + SCRIPT
        assert decompress(other.bodies[coding]) == SCRIPT
    assert charts.digest != other.digest


def test_streamlit_has_the_scripts_that_are_compiled_in_the_background():
    for name in precompress.HINTED_SCRIPTS:
        assert len(list((FRONTEND / "static" / "js").glob(f"{name}*.js"))) == 1


def test_a_child_whose_parent_has_ended_stops(folder, tmp_path):
    options = [str(folder), "--to", str(tmp_path / "files"), "--parent", "1"]
    command = [sys.executable, "-m", precompress.__name__, *options]
    # Enough work that it cannot finish before it notices.
    (folder / "large.C3d4.js").write_bytes(random.Random(1).randbytes(8_000_000))
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1


def test_set_up_prebuilds_the_cache_of_every_start(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(precompress, "PREBUILT_FOLDER", tmp_path / "prebuilt")
    precompress.prebuild(folder)
    precompress.prebuild(folder)
    (files,) = load_or_compress(folder, tmp_path / "data")
    assert brotli.decompress(files["js/index.A1b2.js"].bodies["br"]) == SCRIPT
    assert not (tmp_path / "data").exists()


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
def test_the_preferred_encoding_is_selected(accepted, chosen):
    assert negotiate_encoding(accepted, ("br", "gzip")) == chosen


@given(st.text(max_size=60))
def test_any_accept_encoding_header_is_parsed(accepted):
    assert negotiate_encoding(accepted, ("br", "gzip")) in {"br", "gzip", None}


def test_the_page_of_streamlit_is_rewritten():
    theirs = (FRONTEND / "index.html").read_text()
    html = customized(theirs)
    assert "<title>Almanac</title>" in html
    assert html.count(index_html.FONT) == 2
    assert "SourceSans" not in html
    assert "agent" not in html
    assert index_html.ICON in html
    # The parts that the app and the content security policy need are unchanged.
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


def test_every_page_url_returns_our_page_compressed():
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


def test_other_html_stays_unchanged():
    headers, body = raw_response(page_client(FRONTEND / "index.html"), "/other", **BROWSER_ENCODINGS)
    assert body == b"<p>something else</p>"
    assert headers["etag"] == '"theirs"'
