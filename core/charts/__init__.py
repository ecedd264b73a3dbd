"""Frames in, figures out; no queries and no Streamlit."""
