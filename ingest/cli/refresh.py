"""`python -m ingest refresh`, `forecast` and `runs`."""

from typing import Annotated

import typer
from sqlalchemy import text

from core.budget import cost_model, rate_limits
from core.budget import forecast as budget_forecast
from core.budget.enrichment_forecast import KindForecast
from core.clock import now_utc
from core.command_line import EXIT_FAILED, EXIT_INTERRUPTED, print_line
from core.db import engine
from core.queue import jobs
from core.settings import settings
from core.tracking import accounts
from core.tracking.login import parse_login
from ingest.cli import output
from ingest.cli.shared import (
    LOGIN_ARGUMENTS,
    AsJson,
    Logins,
    direct_engine,
    github_client,
    migrate_if_needed,
    print_owners,
    require_logins,
    stop_on_interrupt,
)
from ingest.enrichment import backlog
from ingest.github import GitHub
from ingest.refresh import run_log
from ingest.refresh.batch import Refresher, RefreshRequest

app = typer.Typer()


@app.command(context_settings=LOGIN_ARGUMENTS)
def refresh(
    logins: Logins = None,
    all_tracked: Annotated[bool, typer.Option("--all", help="Every tracked account that is not paused.")] = False,
    extras: Annotated[
        bool, typer.Option(help="Also fetch watchers, open issues, open pull requests and topics.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the expected cost and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch accounts from GitHub now and store what changed."""
    if not all_tracked:
        logins = require_logins(logins, "to refresh, or use --all")
    migrate_if_needed()
    account_ids = _tracked_account_ids() if all_tracked else []
    print_owners(logins or [])
    with github_client() as client:
        if dry_run:
            _print_forecast(client, account_ids, logins or [], as_json=as_json)
            return
        request = RefreshRequest(jobs.JobOrigin("command line"), account_ids, logins or [], extras=extras, urgent=True)
        with stop_on_interrupt() as stop, output.progress() as bar:
            task = bar.add_task("Refreshing", total=len(account_ids) + len(logins or []))
            run = Refresher(client, direct_engine(), settings().refresh_every).run(
                request, stop=stop, on_item=lambda item: bar.update(task, advance=1, description=item.login)
            )
    if as_json:
        print_line(output.run_as_json(run))
    else:
        output.print_run(run)
    raise typer.Exit(EXIT_INTERRUPTED if run.stopped else EXIT_FAILED if run.failed else 0)


@app.command(context_settings=LOGIN_ARGUMENTS)
def forecast(logins: Logins = None, as_json: AsJson = False) -> None:
    """Print the expected cost of refreshing the given accounts, or all tracked accounts and each kind of fact."""
    migrate_if_needed()
    print_owners(logins or [])
    with github_client() as client:
        if logins:
            _print_forecast(client, [], logins, as_json=as_json)
        else:
            facts = _forecast_enrichment(client)
            _print_forecast(client, _tracked_account_ids(), [], as_json=as_json, facts=facts)


@app.command()
def runs(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, as_json: AsJson = False) -> None:
    """List the latest runs, newest first."""
    migrate_if_needed()
    with engine.transaction() as connection:
        run_log.close_dead_runs(connection)
        rows = run_log.latest_runs(connection, limit)
    if as_json:
        for row in rows:
            print_line(output.as_json(row))
    else:
        output.print_runs(rows)


def _tracked_account_ids() -> list[int]:
    with engine.transaction() as connection:
        return list(connection.scalars(text("SELECT account_id FROM tracked_account WHERE NOT paused")))


def _forecast_enrichment(client: GitHub) -> list[KindForecast]:
    from core.queries import enrichment  # noqa: PLC0415 - loads pandas, which other commands start without

    now = now_utc()
    engine.write_rows(lambda connection: backlog.measure_backlog(connection, client.api_url, now))
    return enrichment.forecast(
        enrichment.kind_costs(now), _rate_limits(client), now, with_token=not client.is_anonymous
    )


def _rate_limits(client: GitHub) -> list[rate_limits.RateBudgetBucket]:
    return [rate_limits.RateBudgetBucket(**vars(one)) for one in client.rate_budgets()]


def _print_forecast(
    client: GitHub,
    account_ids: list[int],
    logins: list[str],
    *,
    as_json: bool,
    facts: list[KindForecast] | None = None,
) -> None:
    now, with_token = now_utc(), not client.is_anonymous
    parsed = [parse_login(login) for login in logins]
    found = engine.read_rows(lambda connection: [accounts.find_account_id(connection, login) for login in parsed])
    ids = [*account_ids, *filter(None, found)]
    inputs = engine.read_rows(lambda connection: budget_forecast.load_cost_inputs(connection, ids, now))
    seconds = engine.read_rows(budget_forecast.seconds_per_request)
    stored = {one.login.lower() for one in inputs}
    inputs += [cost_model.AccountCostInputs(login) for login in parsed if login.lower() not in stored]
    left = budget_forecast.budget_totals(_rate_limits(client), with_token=with_token, now=now)
    cost = cost_model.forecast_refresh(inputs, with_token=with_token, budget=left, now=now, seconds_per_request=seconds)
    if as_json:
        print_line(output.forecast_as_json(cost, facts))
    else:
        output.print_forecast(cost, with_token=with_token)
        if facts:
            output.print_enrichment_forecast(facts)
