"""The command line of the ingestor: `python -m ingest`."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import structlog
import typer
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core import log, redis_client
from core.budget import cost_model, shared_state
from core.budget import forecast as budget_forecast
from core.db import engine, migrations
from core.errors import AlmanacError
from core.launcher.embedded.urls import use_embedded_servers
from core.queue import jobs
from core.settings import settings
from core.tracking import accounts as tracking_accounts
from core.tracking.login import BadLogin, parse_login
from ingest.cli import output, show
from ingest.github import GitHub
from ingest.refresh import run_log
from ingest.refresh.batch import Refresher, RefreshRequest, now_utc

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Logins = Annotated[list[str] | None, typer.Argument(help="Logins, or addresses of their pages.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print lines of JSON for programs.")]

EXIT_FAILED, EXIT_UNUSABLE_INPUT, EXIT_INTERRUPTED = 1, 2, 130


@app.callback()
def configure_logging() -> None:
    log.configure(settings().log_level, as_json=settings().environment == "production")
    use_embedded_servers()


@app.command()
def track(
    logins: Logins = None,
    first_start: Annotated[bool, typer.Option(help="Track TRACK, if nothing was ever tracked here.")] = False,
) -> None:
    """Refresh these accounts on schedule."""
    migrate_if_needed()
    with engine.transaction() as connection:
        if first_start:
            logins = list(settings().track) if tracking_accounts.is_first_start(connection) else []
        refused = False
        for given in logins or []:
            try:
                login = parse_login(given)
            except BadLogin as error:
                output.err.print(str(error), markup=False)
                refused = True
                continue
            is_new = tracking_accounts.track(connection, login, "command line")
            output.out.print(f"{login}: {'tracked from now on' if is_new else 'is tracked already'}", markup=False)
    raise typer.Exit(EXIT_UNUSABLE_INPUT if refused else 0)


@app.command()
def untrack(logins: Logins = None) -> None:
    """Stop refreshing these accounts; their history stays."""
    migrate_if_needed()
    unknown = False
    with engine.transaction() as connection:
        for login in logins or []:
            was = tracking_accounts.untrack(connection, login)
            unknown |= not was
            output.out.print(f"{login}: {'no longer tracked' if was else 'was not tracked'}", markup=False)
    raise typer.Exit(EXIT_FAILED if unknown else 0)


@app.command()
def refresh(
    logins: Logins = None,
    all_tracked: Annotated[bool, typer.Option("--all", help="Every tracked account that is not paused.")] = False,
    extras: Annotated[bool, typer.Option(help="Also watchers, open issues and change requests, topics.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it would cost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask GitHub for these accounts now and store what differs."""
    migrate_if_needed()
    wanted = _tracked_account_ids() if all_tracked else []
    if not logins and not all_tracked:
        output.err.print("Name an account to refresh, or use --all.")
        raise typer.Exit(EXIT_UNUSABLE_INPUT)
    with github_client() as client:
        if dry_run:
            _print_forecast(client, wanted, logins or [], as_json=as_json)
            return
        order = RefreshRequest(jobs.JobOrigin("command line"), wanted, logins or [], extras=extras, urgent=True)
        with stop_on_interrupt() as stop, output.progress() as bar:
            task = bar.add_task("Asking GitHub", total=len(wanted) + len(logins or []))
            run = Refresher(client, engine.engine(), settings().refresh_every).run(
                order, stop=stop, watch=lambda item: bar.update(task, advance=1, description=item.login)
            )
    if as_json:
        print(output.run_as_json(run))  # noqa: T201
    else:
        output.print_run(run)
    raise typer.Exit(EXIT_INTERRUPTED if run.stopped else EXIT_FAILED if run.failed else 0)


@app.command()
def forecast(logins: Logins = None, as_json: AsJson = False) -> None:
    """Tell what refreshing these accounts, or all tracked ones, would cost."""
    migrate_if_needed()
    with github_client() as client:
        _print_forecast(client, [] if logins else _tracked_account_ids(), logins or [], as_json=as_json)


@app.command(name="show")
def show_(logins: Logins = None, as_json: AsJson = False) -> None:
    """Print what is held of these accounts."""
    migrate_if_needed()
    missing = False
    for login in logins or []:
        with engine.transaction() as connection:
            try:
                held = show.stored_account(connection, parse_login(login))
            except AlmanacError as error:
                output.err.print(str(error), markup=False)
                missing = True
                continue
        if as_json:
            print(output.as_json(held))  # noqa: T201
        else:
            output.print_stored_account(held)
    raise typer.Exit(EXIT_FAILED if missing else 0)


@app.command(name="runs")
def runs_(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, as_json: AsJson = False) -> None:
    """List the newest runs."""
    migrate_if_needed()
    with engine.transaction() as connection:
        run_log.close_dead_runs(connection)
        rows = run_log.latest_runs(connection, limit)
    if as_json:
        for row in rows:
            print(output.as_json(row))  # noqa: T201
    else:
        output.print_runs(rows)


@app.command(name="import-history")
def import_history_(
    file: Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet.", exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option(help="Who kept this history; drawn with it.")] = "import",
    include_until: Annotated[
        datetime | None,
        typer.Option(
            "--change-requests-until",
            formats=["%Y-%m-%d"],
            help="Rows before this day count open change requests among open issues.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take in history that somebody else kept: captured_on, full_name, stars, forks, open_issues and more."""
    from ingest.history_import.importer import import_history  # noqa: PLC0415 - Arrow, which no other command needs

    migrate_if_needed()
    until: date | None = include_until.date() if include_until else None
    with output.progress() as bar:
        task = bar.add_task(f"Importing {file.name}", total=None)
        report = import_history(
            file,
            source,
            engine=engine.engine(),
            open_issues_include_change_requests_until=until,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print(output.as_json(vars(report)))  # noqa: T201
    else:
        output.print_import(report)


@app.command(name="star-history")
def star_history_(
    repositories: Annotated[list[str], typer.Argument(help="OWNER/NAME of repositories that are held.")],
) -> None:
    """Read the stars of each day, back to the first one, as far as the budget lasts."""
    from ingest.cli import star_history  # noqa: PLC0415 - as above
    from ingest.enrichment import Enricher  # noqa: PLC0415 - as above

    migrate_if_needed()
    with github_client() as client, stop_on_interrupt() as stop:
        try:
            is_complete = star_history.fetch_star_history(
                Enricher(client, engine.engine(), client.api_url), repositories, stop
            )
        except AlmanacError as error:
            output.err.print(str(error), markup=False)
            raise typer.Exit(EXIT_UNUSABLE_INPUT) from error
    raise typer.Exit(0 if is_complete else EXIT_FAILED)


@app.command(name="scheduler")
def scheduler_() -> None:
    """Decide when accounts are due and queue them; of several, one leads."""
    from ingest import scheduler  # noqa: PLC0415 - as above
    from ingest.planning.rate_budget import RateBudget  # noqa: PLC0415

    migrate_if_needed()
    stop = threading.Event()
    scheduler.stop_on_signal(stop)
    purse = RateBudget.from_settings(settings(), redis_client.redis())
    scheduler.serve(scheduler.ScheduledJobs(engine.engine(), purse=purse), stop)


@app.command(name="worker")
def worker_(concurrency: Annotated[int, typer.Option(min=1, max=32)] = 2) -> None:
    """Refresh what is queued."""
    from ingest import worker  # noqa: PLC0415 - as above
    from ingest.alerts.deliver import WebhookSender  # noqa: PLC0415

    migrate_if_needed()
    with github_client() as client:
        hands = Refresher(client, engine.engine(), settings().refresh_every)
        given = settings()
        postman = WebhookSender(engine.engine(), now_utc, given.webhook_private_addresses, given.address)
        worker.serve(engine.parse_database_url(engine.database_url()), hands, postman, concurrency=concurrency)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535)] = 0,
    accounts: Annotated[int, typer.Option(min=1, max=5000)] = 40,
    seed: int = 7,
    latency_ms: Annotated[int, typer.Option(min=0)] = 0,
    write_history: Annotated[Path | None, typer.Option(help="Write past years as CSV.gz and stop.")] = None,
    busy: Annotated[bool, typer.Option("--busy", help="Let stars come and things happen all the time.")] = False,
) -> None:
    """Run a sandbox GitHub over real HTTP, for trying Almanac offline."""
    from ingest.sandbox import main  # noqa: PLC0415 - a web server that no other command needs

    main(port=port, accounts=accounts, seed=seed, latency_ms=latency_ms, write_history=write_history, busy=busy)


# Shared by the commands ---------------------------------------------------------------------------------------------


def migrate_if_needed() -> None:
    """Reach Postgres and bring its tables to the newest revision."""
    url = engine.database_url()
    if not migrations.is_current(url):
        migrations.upgrade(url)


@contextmanager
def github_client() -> Iterator[GitHub]:
    with GitHub.from_settings(settings(), redis_client.redis()) as client:
        yield client


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C once ends after the account in hand; twice ends at once."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {name: signal.signal(name, on_signal) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _tracked_account_ids() -> list[int]:
    with engine.transaction() as connection:
        return list(connection.scalars(text("SELECT account_id FROM tracked_account WHERE NOT paused")))


def _print_forecast(client: GitHub, account_ids: list[int], logins: list[str], *, as_json: bool) -> None:
    now, with_token = now_utc(), not client.is_anonymous
    with engine.transaction() as connection:
        ids = [
            *account_ids,
            *(id_ for login in logins if (id_ := tracking_accounts.find_account_id(connection, parse_login(login)))),
        ]
        known = budget_forecast.load_cost_inputs(connection, ids, now)
        seconds = budget_forecast.seconds_per_request(connection)
    seen = {one.login.lower() for one in known}
    known += [cost_model.AccountCostInputs(login) for login in map(parse_login, logins) if login.lower() not in seen]
    buckets = [shared_state.RateBudgetBucket(**vars(one)) for one in client.rate_budgets()]
    left = budget_forecast.budget_totals(buckets, with_token=with_token, now=now)
    told = cost_model.forecast_refresh(known, with_token=with_token, left=left, now=now, seconds_per_request=seconds)
    if as_json:
        print(output.forecast_as_json(told))  # noqa: T201
    else:
        output.print_forecast(told, with_token=with_token)


def main() -> None:
    """Run a command; what goes wrong on purpose is one sentence, not a traceback."""
    try:
        app()
    except ValidationError as error:
        for problem in error.errors():
            output.err.print(f"{str(problem['loc'][0]).upper()}: {problem['msg']}", markup=False)
        sys.exit(EXIT_UNUSABLE_INPUT)
    except AlmanacError as error:
        output.err.print(str(error), markup=False)
        sys.exit(EXIT_UNUSABLE_INPUT)
    except (OperationalError, psycopg.OperationalError) as error:
        structlog.get_logger().error("Postgres does not answer", error=type(error).__name__)
        output.err.print("Postgres does not answer; is DATABASE_URL right and the server up?")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
