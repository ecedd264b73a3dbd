"""Charts: DataFrame in, Plotly figure or pydeck deck out. No queries and no Streamlit."""
