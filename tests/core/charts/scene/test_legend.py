"""Legend: colours, names and counts, with names escaped."""

from core.charts.scene.legend import LegendEntry, legend_html
from core.charts.theme import LIGHT


def test_each_entry_has_its_colour_name_and_count():
    html = legend_html(
        [LegendEntry("Python", "#3572A5", 1234), LegendEntry("Go", "#00ADD8", 5)], LIGHT, label="Towers by language"
    )
    assert html.count('role="listitem"') == 2
    assert "#3572A5" in html
    assert "1,234" in html
    assert 'aria-label="Towers by language"' in html


def test_names_are_escaped():
    html = legend_html([LegendEntry("<script>alert(1)</script>", "#000000", 1)], LIGHT, label='a"b')
    assert "<script>" not in html
    assert 'a"b' not in html
