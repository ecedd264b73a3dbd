# Where the rows come from: the HTTP API with your key, or the file of the page's rows.
import io
import os
import time
import zipfile
from functools import cache
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pandas as pd
from plotly import express

URL = os.environ.get("ALMANAC_URL", "")
KEY = os.environ.get("ALMANAC_API_KEY", "")
ROWS = os.environ.get("ALMANAC_ROWS", "")
AS_OF = ""
VS = ""
TOO_MANY_REQUESTS = 429
TIMEOUT_SECONDS = 60


def read(name: str, path: str = "", stored: str = "") -> pd.DataFrame:
    """Return the rows of one cell: from the file that ALMANAC_ROWS names, else from the API or as *stored* here."""
    if ROWS:
        with zipfile.ZipFile(ROWS) as archive:
            return parse(archive.read(f"{name}.csv"))
    if not path:
        return parse(stored.encode())
    times = "&".join(f"{name}={at}" for name, at in (("as_of", AS_OF), ("vs", VS)) if at)
    return parse(fetch(f"{URL}/api/v1/{path}{'&' if '?' in path else '?'}{times}" if times else f"{URL}/api/v1/{path}"))


@cache
def fetch(url: str) -> bytes:
    """Return the response of the API; waits where it asks to, after more files than one may download in a minute."""
    if not KEY:
        raise RuntimeError(
            "Set ALMANAC_API_KEY to one of your API keys, or ALMANAC_ROWS to the file of the page's rows"
        )
    while True:
        try:
            with urlopen(Request(url, headers={"Authorization": f"Bearer {KEY}"}), timeout=TIMEOUT_SECONDS) as response:
                return bytes(response.read())
        except HTTPError as error:
            if error.code != TOO_MANY_REQUESTS:
                raise
            time.sleep(int(error.headers.get("Retry-After", "10")))


def parse(content: bytes) -> pd.DataFrame:
    """Return CSV as a frame, with times in the columns that hold nothing else."""
    rows = pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""])
    for name in rows.select_dtypes(include=["object", "string"]):
        given = rows[name].dropna().astype(str)
        if len(given) and given.str.fullmatch(r"\d{4}-\d\d-\d\d(T[\d:.]+Z)?").all():
            rows[name] = pd.to_datetime(rows[name], utc=True, format="ISO8601")
    return rows


def chart(rows: pd.DataFrame, kind: str, x: str, y: str, color: str = "", title: str = "") -> object:
    """Draw *y* over *x*; nothing where the rows have no such column."""
    if not {x, y} <= set(rows):
        return None
    return getattr(express, kind)(rows, x=x, y=y, color=color if color in rows else None, title=title)
