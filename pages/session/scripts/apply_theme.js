// Apply the chosen theme by a reload: Streamlit reads the stored theme only when a page is loaded.
export default function ({ data }) {
  if (storeTheme(data.theme, data.paths)) location.reload();
}
