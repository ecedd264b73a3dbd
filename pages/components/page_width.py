"""How wide the page is: a scene must be fitted to it, and only the browser knows."""

import streamlit as st

WIDTH_KEY = "page-width"
DEFAULT_WIDTH = 880
WIDTH_STEP = 20  # pages that differ by less are one: each change costs a run of the page

SCRIPT = """
export default function ({ parentElement, data, setStateValue }) {
  const page = (parentElement.host ?? parentElement).closest('[data-testid="stMainBlockContainer"]');
  if (!page) return;
  let told = data.told;
  const measure = () => {
    const style = getComputedStyle(page);
    const free = page.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const width = Math.max(data.step, Math.floor(free / data.step) * data.step);
    if (width === told) return;
    told = width;
    setStateValue("width", width);
  };
  const watch = new ResizeObserver(measure);
  watch.observe(page);
  return () => watch.disconnect();
}
"""


def page_width_px() -> int:
    """The width that a full-width element has, in CSS pixels, rounded down; a usual one before the browser has told."""
    return int(st.session_state.get(WIDTH_KEY, {}).get("width") or DEFAULT_WIDTH)


def measure_page() -> None:
    """Let the browser tell the width, and run again when it is another; takes no room where it stands."""
    component = st.components.v2.component("almanac_width", js=SCRIPT)
    component(key=WIDTH_KEY, data={"told": page_width_px(), "step": WIDTH_STEP}, on_width_change=lambda: None)
