// A person's theme in this browser. Streamlit keeps one for each address, under this name; told once for each choice.
function keepTheme(theme, paths) {
  const CHOSEN = "almanac-theme";
  if (!theme || localStorage.getItem(CHOSEN) === theme) return false;
  for (const path of paths) localStorage.setItem(`stActiveTheme-${path}-v2`, JSON.stringify(theme));
  localStorage.setItem(CHOSEN, theme);
  return true;
}
