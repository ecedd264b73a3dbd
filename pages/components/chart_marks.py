"""The choice of what is marked on the time charts of a page with several subjects."""

from pandas import DataFrame

from core.charts.marks import CHANGE, READING_HINT, RELEASE
from pages.components.segmented_choice import segmented_choice

CROWDED = 40
"""With more marks than this the page opens with changes alone."""
CHOICES: dict[str, tuple[str, ...]] = {
    "Releases and changes": (RELEASE, CHANGE), "Changes": (CHANGE,), "Releases": (RELEASE,), "No marks": (),
}  # fmt: skip


def chosen_marks(events: DataFrame) -> DataFrame | None:
    """Draw the choice, where there is anything to mark, and return the chosen of *events* (see `core.charts.marks`)."""
    if events.empty:
        return None
    kinds = segmented_choice(
        "Marks", CHOICES, key="marks", default="Changes" if len(events) > CROWDED else "Releases and changes"
    )
    return events[events["kind"].isin(kinds)]


def reading_hint(marks: DataFrame | None) -> str:
    """Return the sentence that says what the symbols mean; empty without any."""
    return "" if marks is None or marks.empty else f" {READING_HINT}"
