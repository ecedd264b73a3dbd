"""The web process: Streamlit's pages, our routes and middleware in one ASGI application; `python app.py` starts it."""

import asyncio
import gc
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
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st
import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from streamlit import config

from core import log as logs
from core.auth import bootstrap_admin
from core.auth.signing_key import secret_key
from core.errors import AlmanacError, BadInput
from core.launcher.embedded.urls import use_embedded_servers
from core.settings import Settings, settings
from core.web.middleware.csrf import DEFAULT_PORTS
from core.web.middleware.error_responses import http_exception_response
from core.web.middleware.stack import middleware
from core.web.middleware.trusted_hosts import allowed_hosts
from core.web.routes.table import routes
from pages.components import error_display

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

log = structlog.get_logger()
GC_INTERVAL_SECONDS = 30
# Who waits for `/health` gets the processor first.
WARM_UP_DELAY_SECONDS = 0.5
# What the first reader would otherwise wait for.
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
)


def read_settings() -> Settings:
    """The settings, or one sentence for each that cannot be used."""
    try:
        return settings()
    except ValidationError as wrong:
        sys.exit(f"almanac: {'; '.join(map(setting_error_message, wrong.errors()))}")


def setting_error_message(wrong: "ErrorDetails") -> str:
    """What is wrong with one setting, or with several together."""
    name = ".".join(map(str, wrong["loc"])).upper()
    return f"{name}: {wrong['msg']}".removeprefix(": ").replace("Value error, ", "", 1)


def require_own_address(wanted: Settings) -> None:
    """`streamlit run` and `uvicorn` do not know HOST and PORT and could listen for everybody."""
    listening = (config.get_option("server.address"), config.get_option("server.port"))
    if listening != (wanted.host, wanted.port):
        raise BadInput(
            f"Start Almanac with `python app.py`: it listens on {wanted.host}:{wanted.port}, as HOST and PORT say"
        )


def warm_up() -> None:
    """Load what pages need; then take it out of what is searched for garbage."""
    time.sleep(WARM_UP_DELAY_SECONDS)
    # The forms' library asks who reads while it is loaded, and Streamlit warns that nobody does.
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    for name in PRELOADED_MODULES:
        # Packages before what is in them: of two threads that load one from both ends, one gets half a module.
        for package in accumulate(name.split("."), "{}.{}".format):
            import_module(package)
    gc.collect()
    gc.freeze()
    ensure_first_admin()


def ensure_first_admin() -> None:
    """Create the first admin and print how to sign in, unless the launcher that started this process does."""
    try:
        bootstrap_admin.create_and_announce()
    except BadInput as error:
        log.warning("first admin not created", reason=str(error))


async def collect_garbage() -> None:
    while True:
        await asyncio.sleep(GC_INTERVAL_SECONDS)
        gc.collect()


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    require_own_address(settings())
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    collecting = asyncio.create_task(collect_garbage())
    log.info("web process ready", address=settings().address)
    try:
        yield
    finally:
        collecting.cancel()
        with suppress(asyncio.CancelledError):
            await collecting


use_embedded_servers()
FRONTEND = Path(st.__file__).parent / "static"
app = st.App(
    "pages/main.py",
    routes=routes(),
    middleware=middleware(read_settings(), FRONTEND),
    lifespan=lifespan,
    on_script_error=error_display.show_error,
    exception_handlers={HTTPException: http_exception_response},
)


def prepare_environment() -> None:
    """Tell uvicorn and Streamlit what they take from the environment alone."""
    # Uvicorn would believe whatever anybody on this machine says of forwarded addresses: ClientAddress decides.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    # Signs Streamlit's own cookie against cross-site uploads: the same in every replica, and not our key itself.
    digest = hmac.digest(secret_key(), b"streamlit cookies", "sha256")
    os.environ["STREAMLIT_SERVER_COOKIE_SECRET"] = digest.hex()


def main() -> None:
    wanted = read_settings()
    logs.configure(wanted.log_level, as_json=wanted.environment == "production")
    try:
        prepare_environment()
    except AlmanacError as refused:
        sys.exit(f"almanac: {refused}")
    app.run(config=streamlit_options(wanted))


def streamlit_options(wanted: Settings) -> dict[str, object]:
    """What Streamlit is told beside `.streamlit/config.toml`."""
    typed = urlsplit(wanted.address)
    return {
        "server.address": wanted.host,
        "server.port": wanted.port,
        "server.allowedHosts": list(allowed_hosts(wanted)),
        # Under which name people come; else Streamlit asks an outside host for our address.
        "browser.serverAddress": typed.hostname or wanted.host,
        "browser.serverPort": typed.port or DEFAULT_PORTS.get(typed.scheme, wanted.port),
    }


if __name__ == "__main__":
    main()
