"""The scene in a real browser: drawn where Python computes it, and a click selects a tower."""

import re
from io import BytesIO
from urllib.parse import quote

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Page, expect

from core.charts.scene import city, deck
from core.charts.scene.camera import Canvas
from tests.e2e import rows

MAX_TRIES = 200
# A second click takes back the first, so no click is repeated while the first may still have its effect.
CLICK_TIMEOUT_MS = 30_000


def canvas_pixels(page: Page) -> np.ndarray:
    canvas = page.get_by_test_id("stDeckGlJsonChart")
    return np.asarray(Image.open(BytesIO(canvas.screenshot())).convert("RGB"), dtype=float)


def wait_for_drawing(page: Page) -> np.ndarray:
    """Return the pixels once more than the background is drawn."""
    for _ in range(MAX_TRIES):
        seen = canvas_pixels(page)
        if seen.std(axis=(0, 1)).max() > 20:
            return seen
        page.wait_for_timeout(500)
    raise AssertionError("the canvas stayed empty")


def roof_position(page: Page, address: str, name: str) -> tuple[float, float]:
    """Return the page position of the middle of a tower's roof, computed with the page's own camera."""
    response = page.request.get(f"{address}/api/v1/scene/city")
    towers = pd.DataFrame(response.json()["data"])
    tower = towers.set_index("name").loc[name]
    box = page.get_by_test_id("stDeckGlJsonChart").bounding_box()
    assert box
    height = int(box["height"])
    layout = city_layout(towers)
    # The page rounds its width down; the drawing is centred nevertheless.
    camera = deck.camera_for(layout, Canvas(2 * (height - 130), height))
    roof = [[tower.x + tower.width / 2, tower.y + tower.depth / 2, tower.height]]
    across, down = camera.project(np.array(roof, dtype=float), Canvas(box["width"], box["height"]))[0]
    return box["x"] + across, box["y"] + down


def hover_until_named(page: Page, x: float, y: float, name: str) -> None:
    """Move the mouse there until the tooltip shows *name*: a scene that still loads shows none, and loses clicks."""
    tooltip = page.locator(".deck-tooltip", has_text=name)
    for _ in range(MAX_TRIES):
        page.mouse.move(x - 30, y - 5)
        page.mouse.move(x, y)
        page.wait_for_timeout(300)
        if tooltip.is_visible():
            return
    raise AssertionError("no tooltip")


def city_layout(towers: pd.DataFrame) -> city.City:
    return city.build_city(
        pd.DataFrame(
            {
                "full_name": towers["name"],
                "owner": towers["name"].str.partition("/")[0],
                "stars": towers["stars"],
                "stars_30d": towers["growth"],
            }
        )
    )


def test_the_city_is_drawn_uncut_and_a_click_selects_a_tower(read, address):
    reader = read(height=1100)
    page = reader.open("/scene", "Scene")
    seen = wait_for_drawing(page)
    # Along each edge there is only background: no tower and no label is cut.
    ground = seen[2, 2]
    for band in (seen[:4], seen[-4:], seen[:, :4], seen[:, -4:]):
        assert np.abs(band - ground).max() < 12
    x, y = roof_position(page, address, rows.MOST_STARRED)
    hover_until_named(page, x, y, rows.MOST_STARRED)
    for _ in range(4):
        page.mouse.click(x, y)
        try:
            expect(page.get_by_role("link", name="All of octo")).to_be_visible(timeout=CLICK_TIMEOUT_MS)
            break
        except AssertionError:
            continue  # a click is lost when a frame takes longer than a click may
    expect(page.get_by_role("link", name=rows.MOST_STARRED)).to_have_attribute(
        "href", re.compile(rf"repository\?name={quote(rows.MOST_STARRED, safe='')}$")
    )
    assert "repository=octo%2Fr0" in page.url
    page.get_by_role("link", name="All of octo").click()
    reader.wait_until_ready("Account")
    assert "login=octo" in page.url


def test_a_link_to_a_tower_opens_with_it_selected_also_on_a_narrow_page(read):
    reader = read(theme="dark", width=420)
    page = reader.open(f"/scene?repository={rows.MOST_STARRED}&min_stars=1000", "Scene")
    expect(page.get_by_role("link", name="All of octo")).to_be_visible()
    seen = wait_for_drawing(page)
    accent = np.abs(seen - np.array([14, 165, 233])).max(axis=2) < 12
    assert accent.sum() > 50
    ground = seen[2, 2]
    assert np.abs(seen[:, :2] - ground).max() < 12
    assert np.abs(seen[:, -2:] - ground).max() < 12
    assert reader.overflow_px() <= 0


def test_scene_rows_are_compressed_cached_and_validated(read, address):
    page = read().page
    response = page.request.get(f"{address}/api/v1/scene/city.csv")
    assert response.headers["content-encoding"] == "gzip"
    again = page.request.get(f"{address}/api/v1/scene/city.csv", headers={"if-none-match": response.headers["etag"]})
    assert again.status == 304
    refused = page.request.get(f"{address}/api/v1/scene/city.csv?owners=many")
    assert refused.status == 422
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
