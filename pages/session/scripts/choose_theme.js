// Show the theme that was just chosen: Streamlit reads it when a page is loaded.
export default function ({ data }) {
  if (keepTheme(data.theme, data.paths)) location.reload();
}
