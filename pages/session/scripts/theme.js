// Store a person's theme in this browser, once per choice. Streamlit stores one per path, under this name.
function storeTheme(theme, paths) {
  const STORED_THEME_KEY = "almanac-theme";
  if (!theme || localStorage.getItem(STORED_THEME_KEY) === theme) return false;
  for (const path of paths) localStorage.setItem(`stActiveTheme-${path}-v2`, JSON.stringify(theme));
  localStorage.setItem(STORED_THEME_KEY, theme);
  return true;
}
