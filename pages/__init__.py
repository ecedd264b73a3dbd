"""The pages, one notebook-like file each; `main.py` is the entry script that runs before every page."""
