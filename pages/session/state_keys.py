"""Keys of Streamlit's session state. `app.py` imports this before the libraries that the session itself needs."""

SESSION_KEY = "session-id"
