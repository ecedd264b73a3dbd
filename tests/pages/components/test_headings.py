"""Headings of cells: one level below what stands above them, as screen readers list them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from pages.components.navigation import PAGES_DIR
from pages.components.page_notebook import section_lines
from tests import seed_data


def elements(block: Any) -> Iterator[Any]:
    """Yield what a page draws in the order of drawing."""
    for child in block.children.values():
        yield from elements(child) if hasattr(child, "children") else [child]


def levels(shown: Any) -> list[int]:
    """Return the levels of the page's headings from top to bottom: 1 for the title."""
    found = []
    for element in elements(shown.main):
        if element.type == "heading" or hasattr(element, "tag"):
            found.append(int(element.tag[1]))
        elif element.type == "markdown":
            lines = [line for line in element.value.splitlines() if line.startswith("#")]
            found += [len(line) - len(line.lstrip("#")) for line in lines]
    return found


@pytest.mark.parametrize("path", ["", "repository", "repositories", "movers"])
def test_headings_skip_no_level(open_page, database, path):
    seed_data.add_repository(database, "octo/cat", {"2025-01-01": 100, "2025-03-30": 120}, github_id=1)
    found = levels(open_page(path, **({"name": "octo/cat"} if path == "repository" else {})))
    assert found[0] == 1
    assert len(found) > 2
    assert all(below <= above + 1 for above, below in pairwise(found)), found


def test_sections_are_found_wherever_they_are_drawn(tmp_path):
    (tmp_path / "page.py").write_text('"""\n# Page\n"""\n"## One"\nif True:\n    """\n## Two\nText.\n"""\n')
    assert section_lines(tmp_path / "page.py") == [4, 6]


def test_a_page_has_its_sections():
    assert len(section_lines(PAGES_DIR / "repository.py")) == 4
    assert section_lines(PAGES_DIR / "scene.py") == []
