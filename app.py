"""The web process: one ASGI app of Streamlit pages, HTTP routes and middleware. Start it with `python app.py`."""

import gc

from core import interrupts

interrupts.end_quietly()
gc.disable()  # as in `paused_garbage_collection`, until all is imported

import asyncio
import ctypes
import hmac
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from streamlit import config, runtime

from core import log as logs
from core.auth import bootstrap_admin
from core.auth.signing_key import secret_key
from core.errors import AlmanacError, BadInput
from core.garbage_collection import paused_garbage_collection
from core.launcher.embedded.urls import use_embedded_servers
from core.settings import Settings, invalid_settings, settings
from core.web.bounded_protocols import use_bounded_protocols
from core.web.middleware.csrf import DEFAULT_PORTS
from core.web.middleware.error_responses import http_exception_response
from core.web.middleware.stack import middleware
from core.web.middleware.trusted_hosts import allowed_hosts
from core.web.routes.table import routes
from core.web.stopping import delay_stop
from core.web.websocket_owner import OWNER_HEADER
from pages.components import error_display
from pages.session import media_files, websocket_messages

gc.freeze()
gc.enable()
interrupts.raise_again()

log = structlog.get_logger()
GC_INTERVAL_SECONDS = 15
# The first `/health` request is answered before the imports below keep the processor busy.
WARM_UP_DELAY_SECONDS = 0.5
# Imported in the background, so that the first page does not wait for them.
PRELOADED_MODULES = (
    "sqlalchemy.dialects.postgresql.psycopg",
    "pandas",
    "core.db.engine",
    "plotly.graph_objects",
    "pydeck",
    "pyarrow",
    "core.web.identify",
    "jwt",
    "bcrypt",
    "limits",
    "fastapi",
    "streamlit_authenticator",
    "core.web.api.application",
    "pages.components.page_replay",
)


def read_settings() -> Settings:
    """Return the settings. Exits with one sentence per invalid setting."""
    try:
        return settings()
    except ValidationError as invalid:
        sys.exit(f"almanac: {'; '.join(invalid_settings(invalid))}")
    except BadInput as error:
        sys.exit(f"almanac: {error}")


def require_configured_address(configured: Settings) -> None:
    """Raise BadInput unless the server listens on HOST and PORT.

    `streamlit run` and `uvicorn` ignore both settings and could listen on all interfaces.
    """
    listening = (config.get_option("server.address"), config.get_option("server.port"))
    if listening != (configured.host, configured.port):
        raise BadInput(
            f"Start Almanac with `python app.py`: HOST and PORT are {configured.host}:{configured.port}, "
            "which other commands ignore"
        )


def warm_up() -> None:
    """Import the modules of the pages, then exempt them from garbage collection."""
    time.sleep(WARM_UP_DELAY_SECONDS)
    # streamlit_authenticator uses the session state on import; Streamlit warns that there is no session.
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    with paused_garbage_collection():
        for name in PRELOADED_MODULES:
            # Parent packages first: two threads that import one in opposite order can see a half-initialised module.
            for package in accumulate(name.split("."), "{}.{}".format):
                import_module(package)
    ensure_first_admin()


def ensure_first_admin() -> None:
    """Create the first admin and print how to sign in, unless the launcher that started this process does."""
    try:
        bootstrap_admin.create_and_announce()
    except BadInput as error:
        log.warning("first admin not created", reason=str(error))


async def collect_garbage() -> None:
    """Collect periodically: `runner.postScriptGC` is off, as a collection after each script run is slow."""
    while True:
        await asyncio.sleep(GC_INTERVAL_SECONDS)
        try:
            were_left = drop_left_pages()
        except Exception:  # members of Streamlit that are not its public API
            were_left = False
            log.exception("left pages not dropped")
        gc.collect()
        if were_left:
            return_memory()


def drop_left_pages() -> bool:
    """End the pages whose connection broke too long ago, and return whether there were any.

    Streamlit itself drops them only when the next one is left.
    """
    if not runtime.exists():
        return False
    manager: Any = runtime.get_instance()._session_mgr
    left = manager._session_storage._cache.expire()
    for _, page in left:
        page.session.shutdown()
    return bool(left)


def return_memory() -> None:
    """Return freed memory to the operating system, where the C library can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    require_configured_address(settings())
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    garbage_collection = asyncio.create_task(collect_garbage())
    if drain_seconds := settings().drain_seconds:
        loop = asyncio.get_running_loop()
        # From a signal handler, the loop must be woken.
        delay_stop(drain_seconds, lambda seconds, stop: loop.call_soon_threadsafe(loop.call_later, seconds, stop))
    log.info("web process ready", url=settings().base_url)
    try:
        yield
    finally:
        garbage_collection.cancel()
        with suppress(asyncio.CancelledError):
            await garbage_collection


use_embedded_servers()
media_files.replace_streamlits()
FRONTEND = Path(st.__file__).parent / "static"
app = st.App(
    "pages/main.py",
    routes=routes(),
    middleware=[
        *middleware(read_settings(), FRONTEND, websocket_messages.read_message),
        Middleware(media_files.OwnMediaFiles),
    ],
    lifespan=lifespan,
    on_script_error=error_display.show_error,
    exception_handlers={HTTPException: http_exception_response},
)


def prepare_environment() -> None:
    """Set the options that uvicorn and Streamlit read from environment variables only."""
    # Otherwise uvicorn trusts X-Forwarded-* from any local process; the ClientAddress middleware decides instead.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    # Streamlit signs its own cookie (against cross-site uploads) with it: derived from our key, equal in all replicas.
    digest = hmac.digest(secret_key(), b"streamlit cookies", "sha256")
    os.environ["STREAMLIT_SERVER_COOKIE_SECRET"] = digest.hex()


def main() -> None:
    configured = read_settings()
    logs.configure(configured.log_level, as_json=configured.environment == "production")
    try:
        prepare_environment()
    except AlmanacError as error:
        sys.exit(f"almanac: {error}")
    use_bounded_protocols()
    app.run(config=streamlit_options(configured))


def streamlit_options(configured: Settings) -> dict[str, object]:
    """Return Streamlit's options that depend on the settings; the others are in `.streamlit/config.toml`."""
    public_url = urlsplit(configured.base_url)
    return {
        "server.address": configured.host,
        "server.port": configured.port,
        "server.allowedHosts": list(allowed_hosts(configured)),
        # Streamlit attaches a websocket to an open page only if these are equal: see core/web/websocket_owner.py.
        "server.trustedUserHeaders": {OWNER_HEADER: "session"},
        # Without these Streamlit asks an external service for the machine's public address.
        "browser.serverAddress": public_url.hostname or configured.host,
        "browser.serverPort": public_url.port or DEFAULT_PORTS.get(public_url.scheme, configured.port),
    }


if __name__ == "__main__":
    main()
