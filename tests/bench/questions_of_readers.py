"""Questions of readers to 200,000 repositories and 20 million snapshots, beside those of an older version.

SCALE (default 0.05: a twentieth) sizes the database, BASE names a checkout of the older version, which fills and asks
a database of its own with the same rows, KEEP a folder that keeps both for the next run, ONLY a part of a question's
name.
"""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from core.launcher.embedded import lease
from tests.bench.measurement import Measurement, console, temporary_servers

BENCH = Path(__file__).parent
Answers = dict[str, tuple[float, str, float]]
TARGETS = {
    "explorer, three filters, as of": 120, "everything as of": 40, "scene, 60 owners, as of": 120,
    "movers 30 days, as of": 50, "movers 14 days, now": 70, "stars distribution, as of": 40, "globe, as of": 60,
    "coverage calendar, half a year": 35, "movers 30 days, top 100, now": 120, "account list for the chooser": 40,
    "overview's totals": 50, "languages, ranking, now": 50, "scene, 60 owners, now": 15,
    "explorer, three filters, now": 5, "a loosened filter's counts, now": 17, "account table, largest, now": 10,
    "account table, largest, as of": 10, "account by API, largest, as of": 16, "account by API, small, as of": 16,
    "one repository by name, now": 25, "one repository by name, as of": 25, "ten series, whole history": 10,
}  # fmt: skip
"""How many times faster than before the work on speed a question is to be, at full scale."""


def run() -> list[Measurement]:
    scale, base = float(os.environ.get("SCALE") or 0.05), os.environ.get("BASE")
    trees = {"new": Path.cwd()} | ({"old": Path(base)} if base else {})
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    kept = os.environ.get("KEEP")
    with nullcontext(lease(Path(kept))) if kept else temporary_servers() as servers:
        urls = {
            age: servers.database_url.replace("/almanac?", f"/big_{age}_{str(scale).replace('.', '_')}?")
            for age in trees
        }
        for age, url in urls.items():
            ensure_filled(servers.database_url, url, trees[age], scale, end)
        answers = {age: _ask(url, trees[age], servers.redis_url) for age, url in urls.items()}
        figures = [
            *_figures(answers["new"], answers.get("old", {})),
            *(figure for age, url in urls.items() for figure in _bytes_per_row(age, url)),
        ]
        if kept:
            servers.release(wait_seconds=10)
    return figures


def ensure_filled(admin_url: str, url: str, tree: Path, scale: float, end: datetime) -> None:
    """Create, migrate and fill the database, unless an earlier run kept it; its comment says up to which day."""
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(libpq_url(admin_url), autocommit=True) as admin:
        found = admin.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if found and found[0]:
            return
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        run_python(tree, url, "-c", f"from core.db import migrations; migrations.upgrade({url!r})")
        console.print(f"filling {name}")
        run_python(tree, url, str(BENCH / "big_database.py"), url, str(scale), end.isoformat())
        admin.execute(f"COMMENT ON DATABASE {name} IS '{end.isoformat()}'")  # type: ignore[arg-type]


def _ask(url: str, tree: Path, redis_url: str) -> Answers:
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        filled_to = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
    assert filled_to
    arguments = [str(BENCH / "questions.py"), str(filled_to[0]), os.environ.get("ONLY", "")]
    found: Answers = json.loads(run_python(tree, url, *arguments, redis_url=redis_url))
    return found


def run_python(tree: Path, url: str, *arguments: str, redis_url: str = "") -> str:
    """Run Python with the product of *tree*, and nothing of another one, on its path."""
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "LOG_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-P", *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip().rpartition("\n")[2]


def _figures(new: Answers, old: Answers) -> list[Measurement]:
    """Report each question beside the older version's time, and where the two answers are not the same."""
    figures = []
    for name, (milliseconds, digest, processor) in new.items():
        promised = f"at least {TARGETS[name]} times faster" if name in TARGETS else ""
        if name in old:
            before, digest_before, processor_before = old[name]
            promised = f"{before / milliseconds:,.1f} times faster than {before:,.0f} ms; {promised}"
            promised += "" if digest == digest_before else "; ROWS DIFFER"
            figures.append(Measurement(f"  processors, beside before: {name}", processor, "ms", processor_before))
        figures.append(Measurement(name, milliseconds, "ms", target=promised))
    return figures


def _bytes_per_row(age: str, url: str) -> list[Measurement]:
    """Measure what one snapshot costs on disk: the tables of snapshots alone with their keys, then everything."""
    sql = """
        SELECT sum(pg_total_relation_size(pg_class.oid)) FILTER (WHERE relname ~ '^repository_(snapshot|month)')::float
                   / min(rows) AS snapshots,
               sum(pg_total_relation_size(pg_class.oid))::float / min(rows) AS everything
          FROM pg_class
         CROSS JOIN (SELECT count(*) AS rows FROM repository_snapshot) AS counted
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    """
    with psycopg.connect(libpq_url(url)) as connection:
        row = connection.execute(sql).fetchone()
    assert row
    names = ("bytes per snapshot row, key included", "bytes per snapshot row, all tables")
    return [Measurement(f"{name} ({age})", value, "bytes") for name, value in zip(names, row, strict=True)]


def libpq_url(url: str) -> str:
    return url.replace("+psycopg", "")
