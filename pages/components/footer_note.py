"""The footer of the cells of one account's or repository's page."""

from core.queries.accounts import LatestCapture
from pages.components.format import percent


def footer_note(capture: LatestCapture | None, covered: float | None) -> str:
    """Return day and run of the last capture, and coverage by our refreshes: `2026-03-31 · run 7 · coverage 97 %`."""
    parts = []
    if capture is not None:
        parts = [f"{capture.captured_at:%Y-%m-%d}", f"run {capture.run_id}" if capture.run_id else ""]
    if covered is not None:
        parts.append(f"coverage {percent(covered, round_down=True)}")
    return " · ".join(filter(None, parts))
