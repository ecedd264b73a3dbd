"""`python -m ingest import-history` and `star-history`."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.command_line import EXIT_FAILED, EXIT_UNUSABLE_INPUT, print_line
from core.errors import AlmanacError
from core.tracking.login import parse_repository
from ingest.cli import output
from ingest.cli.shared import AsJson, direct_engine, github_client, migrate_if_needed, stop_on_interrupt

app = typer.Typer()


@app.command()
def import_history(
    file: Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet.", exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option(help="Name of the source, shown with its history in charts.")] = "import",
    include_until: Annotated[
        datetime | None,
        typer.Option(
            "--change-requests-until",
            formats=["%Y-%m-%d"],
            help="Before this day the open issues in the file include open pull requests.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import history recorded elsewhere: captured_on, full_name, stars, forks, open_issues and optional columns."""
    from ingest.history_import import importer  # noqa: PLC0415 - Arrow, which no other command needs

    migrate_if_needed()
    until: date | None = include_until.date() if include_until else None
    with output.progress() as bar:
        task = bar.add_task(f"Importing {file.name}", total=None)
        report = importer.import_history(
            file,
            source,
            engine=direct_engine(),
            open_issues_include_change_requests_until=until,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print_line(output.as_json(vars(report)))
    else:
        output.print_import(report)
    raise typer.Exit(EXIT_FAILED if report.rejected == report.rows else 0)


@app.command()
def star_history(
    repositories: Annotated[list[str], typer.Argument(help="Stored repositories: OWNER/NAME, or their URLs.")],
) -> None:
    """Fetch daily star counts back to the first star, as far as the rate budget allows."""
    from ingest.cli.star_history import fetch_star_history  # noqa: PLC0415 - as above
    from ingest.enrichment import Enricher  # noqa: PLC0415 - as above

    migrate_if_needed()
    with github_client() as client, stop_on_interrupt() as stop:
        try:
            names = [parse_repository(text) for text in repositories]
            is_complete = fetch_star_history(Enricher(client, direct_engine(), client.api_url), names, stop)
        except AlmanacError as error:
            output.err.print(str(error))
            raise typer.Exit(EXIT_UNUSABLE_INPUT) from error
    raise typer.Exit(0 if is_complete else EXIT_FAILED)
