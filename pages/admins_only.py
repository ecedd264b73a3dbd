"""
# For admins
"""

import streamlit as st

st.info("This page is for admins. Ask one of them if you need what it shows.", icon=":material/lock:")
