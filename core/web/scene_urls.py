"""What the scene asks for and where: the page writes the address, the browser fetches it, the API answers."""

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "/api/v1/scene"
LAYOUT_VERSION = 1
"""Raised when the same rows would be laid out otherwise: what browsers keep of the old plan is then asked for anew."""
MAX_OWNERS = 400
Language = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]
Stars = Annotated[int, Field(ge=0, le=2**31 - 1)]
Owners = Annotated[int, Field(ge=1, le=MAX_OWNERS)]
Part = Literal["towers", "districts"]
Height = Literal["stars", "growth"]


class SceneQuery(BaseModel):
    """What the address asks for; the same names as in the page's own address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: Part = "towers"
    owners: Owners = 60
    language: tuple[Language, ...] = ()
    min_stars: Stars = 0
    height: Height = "stars"
    as_of: date | None = None
    v: str = ""

    def address(self) -> str:
        """Where the rows are: the parameters in a fixed order, defaults left out."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        pairs = [
            (name, one) for name, value in given.items() for one in (value if isinstance(value, list) else [value])
        ]
        return f"{PREFIX}/city.csv?{urlencode(pairs)}"


def scene_version(version: int) -> str:
    """What an address says about the rows behind it: another edition may be another city."""
    return f"{version}.{LAYOUT_VERSION}"
