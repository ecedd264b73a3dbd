"""The notebooks, one file a page; `main.py` runs around every one of them."""
