"""Output of the commands: tables for people, lines of JSON for programs."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from core import wording
from core.budget.cost_model import Forecast
from ingest.refresh.run_log import IngestItem, Run

if TYPE_CHECKING:  # Arrow, which no other command needs
    from ingest.history_import.importer import ImportReport

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
UNKNOWN = "—"


def progress() -> Progress:
    """Make a progress bar; it is disabled when stderr is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
        transient=True,
    )


def print_run(run: Run) -> None:
    table = Table("Account", "Outcome", "Repositories", "Rows", "Error", box=None, pad_edge=False)
    for item in run.items:
        repositories = f"{item.repositories:,}" if item.is_stored else UNKNOWN
        table.add_row(item.login, item.state, repositories, f"{item.rows_written:,}", item.error or "")
    out.print(table)
    out.print(
        f"{run.stored} of {len(run.items)} accounts stored · {run.requests:,} requests · {run.points:,} points ·"
        f" {run.not_modified:,} not modified · {run.seconds:.1f} s · run {run.id}"
    )


def run_as_json(run: Run) -> str:
    return as_json(
        {
            "run": run.id,
            "state": run.state,
            "stored": run.stored,
            "failed": run.failed,
            "requests": run.requests,
            "points": run.points,
            "not_modified": run.not_modified,
            "rows_written": run.rows_written,
            "seconds": round(run.seconds, 3),
            "accounts": [_item_as_json(item) for item in run.items],
        }
    )


def _item_as_json(item: IngestItem) -> dict[str, Any]:
    names = ("login", "state", "repositories", "rows_written", "error_code", "error")
    return {name: getattr(item, name) for name in names}


def print_forecast(forecast: Forecast, *, with_token: bool) -> None:
    points = f"{wording.quantity(forecast.points, 'point')} in " if with_token else ""
    out.print(
        f"Refreshing {wording.quantity(forecast.accounts, 'account')} costs about {points}"
        f"{wording.quantity(forecast.requests, 'request')}"
        f" and takes {wording.duration(timedelta(minutes=forecast.minutes), round_up=True)}."
    )
    out.print(
        f"Languages will be fetched for {forecast.languages:,} repositories that are new or were pushed to."
        f" {forecast.not_modified_share:.0%} of the requests should return 304."
    )
    if forecast.unknown:
        out.print(f"{forecast.unknown:,} accounts were never refreshed: each counts as one page of repositories.")
    if forecast.remaining is not None:
        until = f" until {forecast.resets_at:%H:%M} UTC" if forecast.resets_at else ""
        verdict = (
            f"{forecast.remaining_after:,} will be left."
            if forecast.is_affordable
            else "That is not enough: some accounts will wait until the rate limit resets."
        )
        out.print(f"The rate budget has {forecast.remaining:,} left{until}. {verdict}")


def forecast_as_json(forecast: Forecast) -> str:
    return as_json(
        vars(forecast)
        | {
            "not_modified_share": round(forecast.not_modified_share, 3),
            "left": forecast.remaining_after,
            "fits": forecast.is_affordable,
        }
    )


def print_runs(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("Run", "Started", "Trigger", "State", "Stored", "Failed", "Requests", "Points", "Rows", box=None)
    for row in rows:
        cells = [row["id"], f"{row['started_at']:%Y-%m-%d %H:%M:%S}", row["trigger"], row["state"]]
        cells += [f"{row[name]:,}" for name in ("stored", "failed", "requests", "points", "rows_written")]
        table.add_row(*map(str, cells))
    out.print(table)


def print_stored_account(stored: dict[str, Any]) -> None:
    account = stored["account"]
    out.print(
        f"{account['login']} · {account['kind'] or 'not refreshed yet'} · "
        f"{_format_count(account['followers'])} followers"
    )
    table = Table("Repository", "Stars", "Forks", "Language", "Pushed", box=None, pad_edge=False)
    for one in stored["repositories"]:
        pushed = f"{one['pushed_at']:%Y-%m-%d}" if one["pushed_at"] else UNKNOWN
        cells = (_format_count(one["stars"]), _format_count(one["forks"]), one["primary_language"] or UNKNOWN, pushed)
        table.add_row(one["name"], *cells)
    out.print(table)


def print_import(report: "ImportReport") -> None:
    out.print(
        f"{report.rows:,} rows read, {report.written:,} written, {report.rejected:,} rejected;"
        f" {report.repositories:,} repositories from {report.first} to {report.last} in {report.seconds:.1f} s"
    )
    if report.rejected:
        out.print(f"Rejected rows, with line and reason: {report.rejects_file}", markup=False)


def _format_count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_json_default)


def _json_default(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
