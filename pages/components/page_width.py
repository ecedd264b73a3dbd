"""The page's width in pixels, measured by the browser; a 3D scene has to be fitted to it."""

import streamlit as st

WIDTH_KEY = "page-width"
DEFAULT_WIDTH = 880
WIDTH_STEP = 20  # pixels; smaller changes are ignored, as each change reruns the script

SCRIPT = """
export default function ({ parentElement, data, setStateValue }) {
  const page = (parentElement.host ?? parentElement).closest('[data-testid="stMainBlockContainer"]');
  if (!page) return;
  let reported = data.reported;
  const measure = () => {
    const style = getComputedStyle(page);
    const available = page.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const width = Math.max(data.step, Math.floor(available / data.step) * data.step);
    if (width === reported) return;
    reported = width;
    setStateValue("width", width);
  };
  const observer = new ResizeObserver(measure);
  observer.observe(page);
  return () => observer.disconnect();
}
"""


def page_width_px() -> int:
    """Return the width of a full-width element in CSS pixels, rounded down; a default before the first measurement."""
    return int(st.session_state.get(WIDTH_KEY, {}).get("width") or DEFAULT_WIDTH)


def measure_page() -> None:
    """Measure the page in the browser and rerun the script when its width changes; draws nothing."""
    component = st.components.v2.component("almanac_width", js=SCRIPT)
    component(key=WIDTH_KEY, data={"reported": page_width_px(), "step": WIDTH_STEP}, on_width_change=lambda: None)
