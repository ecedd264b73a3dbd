"""HTTP routes and ASGI middleware of the web process, without Streamlit."""
