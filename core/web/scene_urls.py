"""URLs of the scene's data: written by the page, fetched by the browser, served by the API."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from core.whole_numbers import MAX_INT32, WholeNumber

PREFIX = "/api/v1/scene"
MAX_OWNERS = 400
Language = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]
Account = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Stars = Annotated[WholeNumber, Field(ge=0, le=MAX_INT32)]
Owners = Annotated[WholeNumber, Field(ge=1, le=MAX_OWNERS)]
Part = Literal["towers", "districts"]
Height = Literal["stars", "growth"]


class SceneQuery(BaseModel):
    """Query parameters of the data's URL; the page's own URL has the same names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: Part = "towers"
    owners: Owners = 60
    language: tuple[Language, ...] = ()
    account: Account = ""
    min_stars: Stars = 0
    height: Height = "stars"
    as_of: str | None = None
    vs: str | None = None
    v: str = ""
    """Version of the layout: responses of a URL that has it can be cached for long."""

    def address(self) -> str:
        """Return the URL path of the rows: parameters in a fixed order, without defaults."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        pairs = [
            (name, one) for name, value in values.items() for one in (value if isinstance(value, list) else [value])
        ]
        return f"{PREFIX}/city.csv?{urlencode(pairs)}"
