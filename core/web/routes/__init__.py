"""The Starlette routes beside the pages and the HTTP API; `table.py` lists all of them."""
