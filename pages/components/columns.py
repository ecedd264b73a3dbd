"""Column tables that several pages share, and those too long to stand in a page."""

import streamlit as st

TIMESTAMP_COLUMN = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")
