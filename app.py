"""The web process: Streamlit's pages, our routes and middleware in one ASGI application; `python app.py` starts it."""

import asyncio
import gc
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path

import streamlit as st
import structlog
from pydantic import ValidationError
from starlette.middleware import Middleware
from streamlit import config

from core import log as logs
from core.errors import BadInput
from core.settings import Settings, settings
from core.web.headers import SecurityHeaders, content_security_policy
from core.web.hosts import KnownHosts, allowed_hosts
from core.web.refusals import Failures
from core.web.request_ids import RequestIds
from core.web.routes import routes
from pages import failure

log = structlog.get_logger()
COLLECT_EVERY_SECONDS = 30
# Who waits for `/health` gets the processor first.
HEAD_START_SECONDS = 0.5
# What the first reader would otherwise wait for.
HEAVY = (
    "sqlalchemy.dialects.postgresql.psycopg",
    "pandas",
    "core.database",
    "plotly.graph_objects",
    "pydeck",
    "pyarrow",
)


def read_settings() -> Settings:
    """The settings, or one sentence for each that cannot be used."""
    try:
        return settings()
    except ValidationError as wrong:
        told = (f"{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in wrong.errors())
        sys.exit(f"almanac: {'; '.join(told)}")


def refuse_other_addresses(wanted: Settings) -> None:
    """Until people sign in, whoever reaches the pages may read them: only this machine may."""
    if not wanted.on_loopback:
        raise BadInput(
            f"HOST is {wanted.host}, but Almanac listens on loopback only (127.0.0.1) until people can sign in"
        )


def refuse_other_starters(wanted: Settings) -> None:
    """`streamlit run` and `uvicorn` do not know HOST and PORT and could listen for everybody."""
    listening = (config.get_option("server.address"), config.get_option("server.port"))
    if listening != (wanted.host, wanted.port):
        raise BadInput(
            f"Start Almanac with `python app.py`: it listens on {wanted.host}:{wanted.port}, as HOST and PORT say"
        )


def warm_up() -> None:
    """Load what pages need; then take it out of what is searched for garbage."""
    time.sleep(HEAD_START_SECONDS)
    for name in HEAVY:
        import_module(name)
    gc.collect()
    gc.freeze()


async def collect_garbage() -> None:
    while True:
        await asyncio.sleep(COLLECT_EVERY_SECONDS)
        gc.collect()


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    refuse_other_addresses(settings())
    refuse_other_starters(settings())
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    collecting = asyncio.create_task(collect_garbage())
    log.info("web process ready", address=settings().address)
    try:
        yield
    finally:
        collecting.cancel()
        with suppress(asyncio.CancelledError):
            await collecting


def index_html() -> str:
    return (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")


app = st.App(
    "pages/main.py",
    routes=routes(),
    middleware=[
        Middleware(RequestIds),
        Middleware(SecurityHeaders, policy=content_security_policy(index_html())),
        Middleware(KnownHosts, hosts=allowed_hosts(read_settings())),
        Middleware(Failures),
    ],
    lifespan=lifespan,
    on_script_error=failure.show,
)


def main() -> None:
    wanted = read_settings()
    logs.setup(wanted.log_level, as_json=wanted.environment == "production")
    try:
        refuse_other_addresses(wanted)
    except BadInput as refused:
        sys.exit(f"almanac: {refused}")
    app.run(
        config={
            "server.address": wanted.host,
            "server.port": wanted.port,
            "server.allowedHosts": list(allowed_hosts(wanted)),
        }
    )


if __name__ == "__main__":
    main()
