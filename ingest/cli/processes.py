"""`python -m ingest scheduler`, `worker` and `sandbox`: the commands that run until they are stopped."""

import threading
from pathlib import Path
from typing import Annotated

import typer

from core import redis_client, server_urls
from core.clock import now_utc
from core.db import libpq
from core.garbage_collection import paused_garbage_collection
from core.settings import settings
from ingest.cli.shared import direct_engine, github_client, migrate_if_needed

app = typer.Typer()


@app.command()
def scheduler() -> None:
    """Queue due accounts and other periodic work. Of several schedulers one is the leader."""
    with paused_garbage_collection():
        from ingest import scheduler as process  # noqa: PLC0415 - libraries that no other command needs
        from ingest.planning.rate_budget import RateBudget  # noqa: PLC0415

    migrate_if_needed()
    stop = threading.Event()
    process.stop_on_signal(stop)
    rate_budget = RateBudget.from_settings(settings(), redis_client.redis())
    process.serve(process.ScheduledJobs(direct_engine(), rate_budget=rate_budget), stop)


@app.command()
def worker(concurrency: Annotated[int, typer.Option(min=1, max=32)] = 2) -> None:
    """Run queued jobs."""
    with paused_garbage_collection():
        from ingest import worker as process  # noqa: PLC0415 - as above
        from ingest.alerts.deliver import WebhookSender  # noqa: PLC0415
        from ingest.refresh.batch import Refresher  # noqa: PLC0415

    migrate_if_needed()
    with github_client() as client:
        database = direct_engine()
        refresher = Refresher(client, database, settings().refresh_every)
        sender = WebhookSender(database, now_utc, settings().webhook_private_addresses, settings().base_url)
        process.serve(libpq.conninfo(server_urls.direct_database_url()), refresher, sender, concurrency=concurrency)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535)] = 0,
    accounts: Annotated[int, typer.Option(min=1, max=5000)] = 40,
    seed: int = 7,
    latency_ms: Annotated[int, typer.Option(min=0)] = 0,
    write_history: Annotated[
        Path | None, typer.Option(help="Write the past years to this file as CSV.gz and exit.")
    ] = None,
    busy: Annotated[bool, typer.Option("--busy", help="Generate stars and other activity all the time.")] = False,
    activity_log: Annotated[
        Path | None, typer.Option(help="Repeat the activity in this file first, and add to it; with --busy.")
    ] = None,
) -> None:
    """Run a simulated GitHub over HTTP, to try Almanac offline."""
    from ingest.sandbox import main  # noqa: PLC0415 - a web server that no other command needs

    main(
        port=port,
        accounts=accounts,
        seed=seed,
        latency_ms=latency_ms,
        write_history=write_history,
        busy=busy,
        activity_log=activity_log,
    )
