"""The name of its language on the roof of each larger tower: to some readers colours alone tell few of them apart."""

import numpy as np
from pandas import DataFrame, Series

from core.charts.scene.camera import Camera, Canvas
from core.charts.scene.city import City
from core.linguist import NO_LANGUAGE, color

MAX_NAMES = 80
MIN_PIXELS = 7.0  # of a letter's height on the canvas, as seen from the first camera
CHARACTER_WIDTH = 0.62  # mean width of a letter, relative to its size
WIDTH_SHARE, DEPTH_SHARE = 0.8, 0.3  # of the roof, at most
ROOF_LIFT = 0.6  # above the roof, in units of the ground: on it the letters would flicker
DARK_TEXT, LIGHT_TEXT = (15, 23, 42), (255, 255, 255)
# Lit from above and beside, roofs are darker than their colour.
ROOF_LIGHT = 0.72
LIGHT_FROM = 0.18  # relative luminance from which dark text has more contrast than white


def roof_names(city: City, camera: Camera, canvas: Canvas) -> DataFrame:
    """Return the languages' names that are legible on roofs, the largest first.

    text     the language
    x, y, z  the middle of the name, on the front half of the roof: the label of the owner stands behind
    size     of the letters, in units of the ground
    color    as red, green, blue, with the most contrast to the roof
    """
    towers = city.towers
    languages = towers["language"].fillna(NO_LANGUAGE)
    letters = languages.str.len().clip(lower=1).astype(float) * CHARACTER_WIDTH
    size = np.minimum(DEPTH_SHARE * towers["depth"], WIDTH_SHARE * towers["width"] / letters).astype(float)
    rows = DataFrame(
        {
            "text": languages,
            "x": towers["x"] + towers["width"] / 2,
            "y": towers["y"] + towers["depth"] * 0.27,
            "z": towers["height"] + ROOF_LIFT,
            "size": size,
        }
    )
    legible = rows[_pixels_across(rows, camera, canvas) >= MIN_PIXELS]
    shown = legible.sort_values(["size", "text"], ascending=[False, True]).head(MAX_NAMES).reset_index(drop=True)
    contrasts = [contrasting(color(language)) for language in shown["text"]]
    return shown.assign(color=Series(contrasts, index=shown.index, dtype=object))


def contrasting(roof: str) -> tuple[int, int, int]:
    """Return the colour of text, dark or white, that has more contrast to a roof of the colour *roof*: #3572A5."""
    channels = [int(roof[place : place + 2], 16) / 255 * ROOF_LIGHT for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return DARK_TEXT if luminance > LIGHT_FROM else LIGHT_TEXT


def _pixels_across(rows: DataFrame, camera: Camera, canvas: Canvas) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return how many pixels wide `size` is on the canvas, along the name."""
    middle = rows[["x", "y", "z"]].to_numpy(dtype=float)
    end = middle + np.column_stack((rows["size"], np.zeros((len(rows), 2)))).astype(float)
    across = camera.project(end, canvas) - camera.project(middle, canvas)
    lengths: np.ndarray[tuple[int], np.dtype[np.float64]] = np.hypot(across[:, 0], across[:, 1])
    return lengths
