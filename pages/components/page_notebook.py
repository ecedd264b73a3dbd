"""The page as a notebook: what a script run draws is recorded, and downloaded as `.ipynb` with a file of its rows."""

import ast
import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import streamlit as st

from core.as_of import as_of_text
from core.export import notebook
from core.export.notebook import Question, Text
from core.settings import settings
from core.wording import quantity
from pages.components import as_of, export, query_params
from pages.components.navigation import PAGES_DIR

RECORDING_KEY = "page-recording"


@dataclass
class Recording:
    """The parts that one run of the page *path* has drawn, each with the line of the page's file that drew it."""

    path: str
    parts: list[tuple[int, Text | Question]] = field(default_factory=list)

    def add(self, part: Text | Question) -> None:
        if all(part.name != drawn.name for _, drawn in self.parts):
            self.parts.append((line_and_file_of_page()[0], part))


def start(path: str) -> None:
    """Record what the run of the page *path* draws from now on."""
    st.session_state[RECORDING_KEY] = Recording(path)


def record(part: Text | Question) -> None:
    """Add *part* to the recording; nothing where a fragment runs by itself."""
    recording = st.session_state.get(RECORDING_KEY)
    if isinstance(recording, Recording):
        recording.add(part)


def line_and_file_of_page() -> tuple[int, Path | None]:
    """Return the line of the page's file that is running, and the file; 0 and None outside of one."""
    frame = inspect.currentframe()
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if frame.f_code.co_name == "<module>" and file.parent == PAGES_DIR and file.name != "main.py":
            return frame.f_lineno, file
        frame = frame.f_back
    return 0, None


@cache
def prose(file: Path) -> list[tuple[int, Text]]:
    """Return the text cells of a page's file with their lines: its docstring and the bare strings of its top level."""
    texts = _bare_strings(ast.parse(file.read_text(encoding="utf-8")).body)
    return [(line, Text(f"prose-{number}", text)) for number, (line, text) in enumerate(texts, 1)]


@cache
def section_lines(file: Path) -> list[int]:
    """Return the lines of a page's file that draw the heading of a section, in order."""
    texts = _bare_strings(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    return sorted(line for line, text in texts if "\n## " in f"\n{text}")


def _bare_strings(nodes: Iterable[ast.AST]) -> list[tuple[int, str]]:
    return [
        (node.lineno, node.value.value)
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


def has_section_above() -> bool:
    """Return whether the running line of the page's file stands below the heading of a section.

    Also where the line is unknown, as in a fragment that runs by itself.
    """
    line, file = line_and_file_of_page()
    return file is None or any(section < line for section in section_lines(file))


def show_downloads(title: str, file: Path) -> None:
    """Draw the downloads of the page whose script run ends, at its end; nothing for a page without a cell."""
    recording = st.session_state.pop(RECORDING_KEY, None)
    if not isinstance(recording, Recording) or not any(isinstance(part, Question) for _, part in recording.parts):
        return
    texts = prose(file)
    # The docstring is the first cell; a page without one begins with its title.
    heading, rest = (texts[0][1].markdown.strip(), texts[1:]) if texts else (f"# {title}", [])
    ordered = [part for _, part in sorted([*rest, *recording.parts], key=lambda placed: placed[0])]
    selected, vs = as_of.selected_as_of(), as_of.selected_vs()
    base_url = settings().base_url
    page_url = base_url + query_params.path_with_query(recording.path)
    name = recording.path or "overview"
    questions = sum(isinstance(part, Question) for part in ordered)
    with st.container(horizontal=True, key="page-downloads", gap="small"):
        export.download(
            "Download as notebook",
            lambda: notebook.write(heading, page_url, base_url, _text(selected), _text(vs), ordered),
            key="page-notebook",
            file_name=export.file_name(name, "ipynb"),
            mime="application/x-ipynb+json",
            icon=":material/book_4:",
            help="This page as a Jupyter notebook that reads its rows again, from the API or from the file of its rows",
        )
        export.download(
            "Rows as a ZIP",
            lambda: notebook.write_rows(ordered),
            key="page-rows",
            file_name=export.file_name(f"{name}-rows", "zip"),
            mime="application/zip",
            icon=":material/folder_zip:",
            help=f"The rows of {quantity(questions, 'cell')}, a CSV each: the notebook can read them instead of the API",
        )


def _text(at: datetime | None) -> str:
    return "" if at is None else as_of_text(at)
