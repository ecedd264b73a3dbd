"""Figures have the colours of the pages."""

import tomllib
from pathlib import Path

import pytest

from core.charts.theme import DARK, FONT, LIGHT, SERIES, Theme

CONFIG = Path(__file__).resolve().parents[3] / ".streamlit" / "config.toml"


@pytest.fixture(scope="module")
def page_theme():
    return tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]


@pytest.mark.parametrize(("mode", "theme"), [("light", LIGHT), ("dark", DARK)])
def test_figures_use_the_colours_of_the_page(page_theme, mode: str, theme: Theme):
    tokens = page_theme[mode]
    assert theme.accent == tokens["primaryColor"]
    assert theme.background == tokens["backgroundColor"]
    assert theme.text == tokens["textColor"]
    assert theme.rest == tokens["borderColor"]


def test_dark_hover_boxes_have_the_page_s_secondary_background(page_theme):
    assert page_theme["dark"]["secondaryBackgroundColor"] == DARK.surface


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", ["grayColor", "grayBackgroundColor", "grayTextColor"])
def test_grey_is_not_mistaken_for_a_warning(page_theme, mode: str, name: str):
    """Streamlit's own grey is brown on a dark page, like its orange of warnings."""
    red, _, blue = bytes.fromhex(page_theme[mode][name].removeprefix("#"))
    assert blue >= red


def test_series_and_font_are_those_of_the_page(page_theme):
    assert list(SERIES) == page_theme["chartCategoricalColors"]
    assert page_theme["font"] == FONT
