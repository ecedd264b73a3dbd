// Keep the cell that the URL names in view while the page still grows above it, until the reader moves.
const MOVES = ["wheel", "touchmove", "pointerdown", "keydown"];
let shown = null;

export default function () {
  // A script run mounts this again; what the reader has left must not come back.
  if (location.href === shown) return;
  shown = location.href;
  const name = decodeURIComponent(location.hash.slice(1));
  const content = document.querySelector('[data-testid="stMainBlockContainer"]');
  if (!name || !content) return;
  const show = () => document.getElementById(name)?.scrollIntoView();
  const growth = new ResizeObserver(show);
  const stop = () => {
    growth.disconnect();
    MOVES.forEach((move) => removeEventListener(move, stop, true));
  };
  growth.observe(content);
  MOVES.forEach((move) => addEventListener(move, stop, { capture: true, passive: true }));
  return stop;
}
