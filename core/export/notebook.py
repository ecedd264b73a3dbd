"""Write a page as a Jupyter notebook (nbformat 4.5) that reads its rows again: from the HTTP API, or from a file.

The key for the API comes from an environment variable and is never part of the notebook. The same page and data make
the same file. Source: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pandas import DataFrame

from core.export import table_files
from core.export.notebook_chart import chart_code

MAX_SHOWN_ROWS = 20
MAX_ID_LENGTH = 64
PLOTLY_JSON = "application/vnd.plotly.v1+json"

READER = Path(__file__).with_name("notebook_reader.py")


@dataclass(frozen=True)
class Text:
    """Markdown of the page: prose, or its headline numbers. *name* is unique on the page."""

    name: str
    markdown: str


@dataclass(frozen=True)
class Question:
    """One cell of the page.

    name    unique on the page, words joined by hyphens
    note    what the rows cover
    sql     the query with its values; empty without one
    path    of the same rows in the API, below /api/v1 and with .csv; empty where it has no such route
    figure  returns Plotly's JSON of the chart; None without one
    """

    name: str
    question: str
    how_to_read: str
    rows: DataFrame
    note: str = ""
    definition: str = ""
    sql: str = ""
    path: str = ""
    figure: Callable[[], dict[str, Any]] | None = None


def write(title: str, page_url: str, base_url: str, as_of: str, vs: str, parts: Sequence[Text | Question]) -> bytes:
    """Return the notebook of a page as JSON.

    page_url  of the page as it stands
    base_url  of this installation, which the environment can replace
    as_of     as the API takes it; empty for the newest data
    vs        the time to compare with, likewise; empty for none
    """
    intro = (
        f"{title}\n\n[This page]({page_url}) as a notebook. Run it with `ALMANAC_API_KEY` set to one of your API keys, "
        "or with `ALMANAC_ROWS` set to the file of the page's rows, which is downloaded beside it."
    )
    cells = [_markdown("page", intro), _code("page-reader", reader(base_url, as_of, vs), [])]
    for part in parts:
        cells += [_markdown(part.name, part.markdown)] if isinstance(part, Text) else list(_question_cells(part))
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, ensure_ascii=False, allow_nan=False, indent=1).encode()


def reader(base_url: str, as_of: str, vs: str = "") -> str:
    """Return the code that reads rows, see `notebook_reader.py`, with these defaults."""
    code = READER.read_text(encoding="utf-8")
    for name, value in {'os.environ.get("ALMANAC_URL", "")': base_url, 'AS_OF = ""': as_of, 'VS = ""': vs}.items():
        code = code.replace(name, name.replace('""', json.dumps(value)))
    return code


def write_rows(parts: Iterable[Text | Question]) -> bytes:
    """Return the file of the rows that the notebook of *parts* can read: a ZIP with a CSV for each cell."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for part in parts:
            if isinstance(part, Question):
                # Without a time of its own, so that the same rows make the same file.
                archive.writestr(ZipInfo(f"{part.name}.csv"), table_files.csv(part.rows, escape_formulas=False))
    return buffer.getvalue()


def csv_path(path: str) -> str:
    """Return the API's *path* as that of its rows in CSV: `movers?days=30` becomes `movers.csv?days=30`."""
    bare, mark, query = path.partition("?")
    return f"{bare}.csv{mark}{query}" if path else ""


def cell_id(name: str) -> str:
    """Return *name* as nbformat takes it: letters, digits, hyphens and underscores, at most 64."""
    return re.sub(r"[^a-zA-Z0-9_-]", "-", name)[:MAX_ID_LENGTH] or "cell"


def _question_cells(cell: Question) -> Iterable[dict[str, Any]]:
    parts = [f"### {cell.question}", cell.how_to_read, f"*{cell.note}*" if cell.note else "", cell.definition.strip()]
    if cell.sql:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", cell.sql)), default=0))
        parts.append(f"{fence}sql\n{cell.sql.strip()}\n{fence}")
    yield _markdown(f"{cell.name}-text", "\n\n".join(filter(None, parts)))
    yield _code(f"{cell.name}-rows", _rows_code(cell), [_rows_output(cell.rows)])
    if cell.figure is not None:
        figure = cell.figure()
        yield _code(
            f"{cell.name}-chart", chart_code(cell.rows, figure, cell.question), [_figure_output(figure, cell.question)]
        )


def _rows_code(cell: Question) -> str:
    """Return code that reads the rows; it holds them itself where the API has no route of them."""
    if cell.path:
        return f"rows = read({cell.name!r}, {cell.path!r})\nrows"
    stored = table_files.csv(cell.rows, escape_formulas=False).decode()
    return f"# The API has no route of these rows.\nrows = read({cell.name!r}, stored={stored!r})\nrows"


def _rows_output(rows: DataFrame) -> dict[str, Any]:
    shown = rows.head(MAX_SHOWN_ROWS)
    left = len(rows) - len(shown)
    more = f"\n… {left:,} more" if left > 0 else ""
    return {
        "output_type": "execute_result",
        "execution_count": None,
        "metadata": {},
        "data": {
            "text/plain": shown.to_string(index=False) + more,
            "text/html": shown.to_html(index=False, na_rep="—") + (f"<p>{more.strip()}</p>" if more else ""),
        },
    }


def _figure_output(figure: dict[str, Any], question: str) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {PLOTLY_JSON: figure, "text/plain": question}}


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": cell_id(name), "metadata": {}, "source": text.strip()}


def _code(name: str, source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": cell_id(name),
        "metadata": {},
        "outputs": outputs,
        "source": source.strip(),
    }
