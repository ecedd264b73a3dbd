"""Layout of the city: a district per owner, a lot per repository. Pure: equal rows give an equal city."""

from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd
from pandas import DataFrame

from core.charts.scene.treemap import Box, squarify

DISTRICT_COLUMNS = ["owner", "repositories", "stars", "x", "y", "width", "depth", "peak_x", "peak_y", "top"]
HeightMeasure = Literal["stars", "growth"]
GROUND = Box(0.0, 0.0, 1000.0, 700.0)
MAX_HEIGHT = 290.0
STREET_WIDTH = 6.0
LOT_GAP = 1.2
# Towers without stars or growth stay visible.
MIN_HEIGHT = 2.0


@dataclass(frozen=True)
class City:
    """towers: the given rows with `x y width depth height`, all in units of the ground.

    districts: `owner repositories stars x y width depth`, and `peak_x peak_y top`: the roof of its tallest tower.
    """

    towers: DataFrame
    districts: DataFrame


def city_bytes(city: City) -> int:
    return sum(int(frame.memory_usage(deep=True).sum()) for frame in (city.towers, city.districts))


def build_city(rows: DataFrame, measure: HeightMeasure = "stars") -> City:
    """Lay out *rows* (full_name, owner, stars, stars_30d …), wide districts near, so that few towers are hidden.

    Ground area and height both follow the square root of stars, so that a tower's volume is its stars. By growth, the
    height follows the square root of growth, see `growth_column`, instead; where that is unknown or not positive the
    tower has MIN_HEIGHT.
    """
    ordered = _order_by_district(rows)
    groups = [group for _, group in ordered.groupby("district", sort=False)]
    grounds = squarify([float(group["weight"].sum()) for group in groups], GROUND)
    heights = _heights(ordered, measure)
    towers = pd.concat(
        [_lots(group, ground.inset(STREET_WIDTH / 2)) for group, ground in zip(groups, grounds, strict=True)]
        or [ordered.assign(x=0.0, y=0.0, width=0.0, depth=0.0)]
    ).assign(height=heights)
    return City(towers.drop(columns=["district", "weight", "ground"]), _districts(groups, grounds, towers))


def growth_column(rows: DataFrame) -> str:
    """Return the column of growth: against the time that the rows are compared with, else in 30 days."""
    return "stars_difference" if "stars_difference" in rows else "stars_30d"


def _order_by_district(rows: DataFrame) -> DataFrame:
    """Order rows by district, the widest first, and by stars within each."""
    weight = rows["stars"].astype(float).clip(lower=1) ** 0.5
    named = rows.assign(district=rows["owner"].astype("string").str.lower(), weight=weight)
    named = named.assign(ground=named.groupby("district")["weight"].transform("sum").round(6))
    order = {"ground": False, "district": True, "stars": False, "full_name": True}
    return named.sort_values(list(order), ascending=list(order.values()))


def _lots(group: DataFrame, ground: Box) -> DataFrame:
    lots = [lot.mirrored(ground) for lot in squarify([float(weight) for weight in group["weight"]], ground)]
    gaps = [lot.inset(LOT_GAP) for lot in lots]
    return group.assign(**{name: [getattr(lot, name) for lot in gaps] for name in ("x", "y", "width", "depth")})


def _heights(rows: DataFrame, measure: HeightMeasure) -> "pd.Series[float]":
    counts = rows["stars" if measure == "stars" else growth_column(rows)].astype("Float64").fillna(0).astype(float)
    roots = counts.clip(lower=0) ** 0.5
    largest = float(roots.max()) if len(roots) else 0.0
    return MIN_HEIGHT + roots * ((MAX_HEIGHT - MIN_HEIGHT) / largest if largest else 0.0)


def _districts(groups: list[DataFrame], grounds: list[Box], towers: DataFrame) -> DataFrame:
    rows = []
    for group, ground in zip(groups, grounds, strict=True):
        tallest = towers.loc[towers.loc[group.index, "height"].idxmax()]
        named = {"owner": group["owner"].iloc[0], "repositories": len(group), "stars": int(group["stars"].sum())}
        floor = asdict(ground.inset(STREET_WIDTH / 2))
        peak = Box(*(float(tallest[side]) for side in ("x", "y", "width", "depth"))).center
        rows.append({**named, **floor, "peak_x": peak[0], "peak_y": peak[1], "top": float(tallest["height"])})
    return DataFrame(rows, columns=DISTRICT_COLUMNS)
