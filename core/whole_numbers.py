"""Whole numbers in URLs: one spelling for pages and API, so that a refused number is never used all the same.

`int` and pydantic also read `1_000`, `+1`, ` 1 ` and digits of other scripts, Streamlit's widgets `1e3` and `inf`.
"""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from core.errors import BadInput

MAX_INT32 = 2**31 - 1
DIGITS_PATTERN = re.compile(r"[0-9]{1,18}")
HINT = "write a whole number in digits, like 1000"


def parse_whole_number(text: str, *, most: int = MAX_INT32, least: int = 0) -> int:
    """Parse digits from *least* to *most*. Raises BadInput for any other text."""
    if not DIGITS_PATTERN.fullmatch(text) or not least <= int(text) <= most:
        raise BadInput(f"Not a whole number from {least:,} to {most:,}; {HINT}")
    return int(text)


def _reject_other_spellings(value: Any) -> Any:
    if isinstance(value, str) and not DIGITS_PATTERN.fullmatch(value):
        raise PydanticCustomError("whole_number", HINT)
    return value


WholeNumber = Annotated[int, BeforeValidator(_reject_other_spellings)]
"""An integer query parameter of the API; its bounds are those of the field."""
