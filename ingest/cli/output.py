"""Output of the commands: tables for people, lines of JSON for programs."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from core import wording
from core.budget.cost_model import UNKNOWN_REPOSITORIES, Forecast
from core.budget.enrichment_forecast import KindForecast
from core.command_line import discard_output
from core.markup import escape_controls
from ingest.refresh.run_log import IngestItem, Run

if TYPE_CHECKING:  # Arrow, which no other command needs
    from ingest.history_import.importer import ImportReport


class QuietConsole(Console):
    """A console that prints text literally, GitHub's too, and goes on without output when the pipe is closed."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(escape_controls(text, keep="\n"), **options)

    def on_broken_pipe(self) -> None:
        discard_output(self.file)


out = QuietConsole(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = QuietConsole(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
UNKNOWN = "—"
HOUR = timedelta(hours=1)


def progress() -> Progress:
    """Make a progress bar; it is disabled when stderr is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
        transient=True,
    )


def print_run(run: Run) -> None:
    table = Table("Account", "Outcome", "Repositories", "Rows", "Note", box=None, pad_edge=False)
    for item in run.items:
        repositories = f"{item.repositories:,}" if item.is_stored else UNKNOWN
        table.add_row(item.login, item.state, repositories, f"{item.rows_written:,}", item.error or "")
    out.print(table)
    out.print(
        f"{run.stored:,} of {wording.quantity(len(run.items), 'account')} stored ·"
        f" {wording.quantity(run.requests, 'request')} · {wording.quantity(run.points, 'point')} ·"
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
    languages = wording.quantity(forecast.languages, "repository", "repositories")
    out.print(
        f"Languages of {languages} will be fetched: new ones, and those pushed to."
        f" {forecast.not_modified_share:.0%} of the requests should return 304."
    )
    if forecast.unknown:
        never = f"{wording.quantity(forecast.unknown, 'account')} {wording.pluralize(forecast.unknown, 'was', 'were')}"
        out.print(f"{never} never refreshed: each counts as {UNKNOWN_REPOSITORIES} repositories with languages.")
    if forecast.remaining is not None:
        until = f" until {forecast.resets_at:%H:%M} UTC" if forecast.resets_at else ""
        verdict = (
            f"{forecast.remaining_after:,} will be left."
            if forecast.is_affordable
            else "That is not enough: some accounts will wait until the rate limit resets."
        )
        out.print(f"The rate budget has {forecast.remaining:,} left{until}. {verdict}")


def print_enrichment_forecast(facts: Sequence[KindForecast]) -> None:
    table = Table("Fact", "Waiting", "Of", "Last 24 hours", "Share", "All read in", box=None, pad_edge=False)
    for one in facts:
        until = UNKNOWN if one.until_read is None else wording.duration(one.until_read, round_up=True)
        table.add_row(
            one.kind.label,
            _format_count(one.waiting),
            _format_count(one.subjects),
            wording.quantity(one.per_day, one.unit),
            UNKNOWN if one.share is None else f"{one.share:.0%}",
            until if one.waiting else "done",
        )
    out.print("Facts that a refresh does not carry take turns in what refreshes leave:")
    out.print(table)


def _enrichment_as_json(one: KindForecast) -> dict[str, Any]:
    return {
        "kind": one.kind.name,
        "unit": f"{one.unit}s",
        "subjects": one.subjects,
        "waiting": one.waiting,
        "last_24_hours": one.per_day,
        "share": None if one.share is None else round(one.share, 3),
        "per_subject": round(one.per_subject, 3),
        "hours_until_read": None if one.until_read is None else round(one.until_read / HOUR, 2),
    }


def forecast_as_json(forecast: Forecast, facts: Sequence[KindForecast] | None = None) -> str:
    return as_json(
        vars(forecast)
        | {
            "not_modified_share": round(forecast.not_modified_share, 3),
            "left": forecast.remaining_after,
            "fits": forecast.is_affordable,
        }
        | ({} if facts is None else {"enrichment": [_enrichment_as_json(one) for one in facts]})
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
        f"{_format_count(account['followers'])} {wording.pluralize(account['followers'] or 0, 'follower')}"
    )
    table = Table("Repository", "Stars", "Forks", "Language", "Pushed", box=None, pad_edge=False)
    for one in stored["repositories"]:
        pushed = f"{one['pushed_at']:%Y-%m-%d}" if one["pushed_at"] else UNKNOWN
        cells = (_format_count(one["stars"]), _format_count(one["forks"]), one["primary_language"] or UNKNOWN, pushed)
        table.add_row(one["name"], *cells)
    out.print(table)


def print_import(report: "ImportReport") -> None:
    repositories = wording.quantity(report.repositories, "repository", "repositories")
    span = f"; {repositories} from {report.first} to {report.last}" if report.repositories else ""
    out.print(
        f"{wording.quantity(report.rows, 'row')} read, {report.written:,} written, {report.rejected:,} rejected{span}"
        f" in {report.seconds:.1f} s"
    )
    if report.rejected:
        out.print(f"Rejected rows, with line and reason: {report.rejects_file}")


def _format_count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_json_default)


def _json_default(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
