"""How wide the page is: a scene must be fitted to it, and only the browser knows."""

import streamlit as st

USUAL = 880
STEP = 20  # pages that differ by less are one: each change costs a run of the page

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


def of_page(key: str = "page-width") -> int:
    """The width that a full-width element has, in CSS pixels, rounded down; a usual one before the browser has told."""
    component = st.components.v2.component("almanac_width", js=SCRIPT)
    told = st.session_state.get(key, {}).get("width") or USUAL
    component(key=key, data={"told": told, "step": STEP}, on_width_change=lambda: None)
    return int(told)
