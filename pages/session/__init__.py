"""The signed-in session: its state, forms and browser scripts."""
