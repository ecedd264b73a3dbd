"""What a process has loaded when it begins to listen or to work: what it needs later, or never, would delay that."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHARTS = ("pandas", "numpy", "pyarrow", "pydeck")
SIGN_IN = ("jwt", "bcrypt", "limits", "streamlit_authenticator")
DATABASE = ("sqlalchemy", "alembic", "procrastinate")
SERVERS = ("fastapi", "streamlit", "starlette", "uvicorn")


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        # `/health` asks Postgres and Redis by their drivers; `warm_up` loads the rest behind its back.
        ("app", (*CHARTS, *SIGN_IN, *DATABASE, "fastapi", "httpx")),
        # The web process is started before anything else, and loads while the launcher loads the driver.
        ("core.__main__, core.launcher.stack", (*CHARTS, *SIGN_IN, *DATABASE, *SERVERS, "psycopg", "redis", "httpx")),
        ("core.launcher.embedded.supervisor", (*DATABASE, *SERVERS, "psycopg", "redis", "pydantic", "structlog")),
        ("ingest.__main__, ingest.scheduler, ingest.worker", ("pandas", "pyarrow", "plotly", "alembic", *SERVERS)),
    ],
)
def test_a_process_starts_without_the_libraries_that_it_needs_later_or_never(
    modules: str, absent: tuple[str, ...]
) -> None:
    code = f"import sys, {modules}; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["app", "core.__main__", "ingest.__main__"])
def test_imports_are_exempt_from_garbage_collection_and_what_follows_is_collected(module: str) -> None:
    code = f"import gc, {module}; print(gc.get_freeze_count() > len(gc.get_objects()), gc.isenabled())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "True True"
