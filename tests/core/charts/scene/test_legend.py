"""A legend says each colour's name and count, and nothing that somebody wrote becomes markup."""

from core.charts.scene.legend import LegendEntry, legend_html
from core.charts.theme import LIGHT


def test_each_entry_has_its_colour_name_and_count():
    drawn = legend_html(
        [LegendEntry("Python", "#3572A5", 1234), LegendEntry("Go", "#00ADD8", 5)], LIGHT, label="Towers by language"
    )
    assert drawn.count('role="listitem"') == 2
    assert "#3572A5" in drawn
    assert "1,234" in drawn
    assert 'aria-label="Towers by language"' in drawn


def test_names_are_text():
    drawn = legend_html([LegendEntry("<script>alert(1)</script>", "#000000", 1)], LIGHT, label='a"b')
    assert "<script>" not in drawn
    assert 'a"b' not in drawn
