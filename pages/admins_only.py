"""
# For admins
"""

import streamlit as st

st.info("This page is for admins only. Ask an admin if you need access.", icon=":material/lock:")
