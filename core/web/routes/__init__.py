"""Starlette routes besides the pages and the HTTP API; `table.py` lists them."""
