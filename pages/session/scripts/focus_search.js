// Put the cursor into the sidebar's search box on `/` and Ctrl+K; a collapsed sidebar is opened first.
const isTyping = (element) => element.isContentEditable || element.closest?.("input, textarea, select, [role=textbox]");

export default function ({ data }) {
  const focus = () => document.querySelector(`.st-key-${data.key} input`)?.focus();
  const onKey = (event) => {
    const isShortcut =
      (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) ||
      (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey));
    if (!isShortcut) return;
    event.preventDefault();
    const closed = document.querySelector('[data-testid="stExpandSidebarButton"]');
    closed?.click();
    closed ? setTimeout(focus, 300) : focus();
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
